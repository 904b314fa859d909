import { MAX_BODY_BYTES } from "../http/body.ts";
import type { Failure } from "../http/failure.ts";
import { problemOf } from "../http/problem.ts";
import { fail, type Result } from "../lib/base/result.ts";
import { acceptEmails, type Accepted, type Outbox } from "./outbox.ts";
import type { EmailVariables } from "./settings.ts";
import { submissionOf } from "./submission.ts";

/**
 * Mails that other Workers of this account hand in, by queue or by RPC: under the checks and
 * guarantees of `POST /api/emails`.
 */

/** Whose mails they are: a binding is not a user's key. */
const PRODUCER_TENANT = "producer";

/** Accepts one mail of a producer. */
export async function acceptProduced(
  outbox: Outbox,
  env: EmailVariables,
  message: unknown,
  idempotencyKey: string | undefined,
  now: number,
): Promise<Result<Accepted, Failure>> {
  const submission = submissionOf(
    env,
    message,
    { tenant: PRODUCER_TENANT, ...(idempotencyKey !== undefined && { idempotencyKey }) },
    now,
  );
  if (!submission.ok) return submission;
  // HTTP refuses that before it reads it. A row of D1 could not hold much more.
  const bytes = new TextEncoder().encode(JSON.stringify(submission.value.request)).byteLength;
  if (bytes > MAX_BODY_BYTES) return fail({ tag: "body-too-large", limitBytes: MAX_BODY_BYTES });
  const [accepted] = await acceptEmails(outbox, [submission.value], now);
  return accepted ?? fail({ tag: "internal" });
}

/** Whether to hand it in again could end otherwise. */
export function isWorthARetry(failure: Failure): boolean {
  return ["unavailable", "outcome-unknown", "circuit-open", "misconfigured", "internal"].includes(
    failure.tag,
  );
}

/** Why a message was refused, for the dead letter that tells of it. */
export function refusalOf(failure: Failure): string {
  return `refused: ${problemOf(failure).detail}`.slice(0, 500);
}
