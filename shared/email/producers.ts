import type { Failure } from "../failure.ts";
import { problemOf } from "../http/problem.ts";
import { validate } from "../http/body.ts";
import { fail, ok, type Result } from "../result.ts";
import { acceptEmails, type Accepted, type Outbox, type Submission } from "./outbox.ts";
import { emailRequest, messageOf } from "./schemas.ts";

/** Mails that other Workers of this account hand in, by queue or by RPC: under the checks and guarantees of `POST /api/emails`. */

/** Whose mails they are: a binding is not a user's key. */
const PRODUCER_TENANT = "producer";

/** Checks what a producer wants to send. */
function submissionOf(
  message: unknown,
  sender: { from: string; idempotencyKey?: string },
  now: number,
): Result<Submission, Extract<Failure, { tag: "invalid" }>> {
  const request = validate(emailRequest, message);
  if (!request.ok) return request;
  const made = messageOf(request.value, now);
  return made.ok ? ok({ request: request.value, message: made.value, sender: { tenant: PRODUCER_TENANT, ...sender } }) : made;
}

/** Accepts one mail of a producer. */
export async function acceptProduced(
  outbox: Outbox,
  message: unknown,
  sender: { from: string; idempotencyKey?: string },
  now: number,
): Promise<Result<Accepted, Failure>> {
  const submission = submissionOf(message, sender, now);
  if (!submission.ok) return submission;
  const [accepted] = await acceptEmails(outbox, [submission.value], now);
  return accepted ?? fail({ tag: "internal" });
}

/** Whether to hand it in again could end otherwise. */
export function isWorthARetry(failure: Failure): boolean {
  return failure.tag === "unavailable" || failure.tag === "outcome-unknown" || failure.tag === "circuit-open" || failure.tag === "internal";
}

/** Why a message was refused, for the dead letter that tells of it. */
export function refusalOf(failure: Failure): string {
  return `refused: ${problemOf(failure).detail}`.slice(0, 500);
}
