import { NO_ROOM_RETRY_MS } from "../http/body.ts";
import type { Failure } from "../http/failure.ts";
import { BodyRoom } from "../http/large-bodies.ts";
import { problemOf } from "../http/problem.ts";
import { cut } from "../lib/base/cut.ts";
import { fail, type Result } from "../lib/base/result.ts";
import { log } from "../lib/worker/log.ts";
import { newTraceId, traced, traceIdOf } from "../lib/worker/trace.ts";
import type { Accepted } from "./accept-answer.ts";
import { dailyLimits } from "./daily-limits.ts";
import { withFiles } from "./files/wanted.ts";
import { acceptEmails, PRODUCER_TENANT, type Outbox } from "./outbox.ts";
import type { EmailSend } from "./queue-messages.ts";
import { MAX_REQUEST_BYTES } from "./rules/large-files.ts";
import type { EmailVariables } from "./settings.ts";
import { submissionOf } from "./submission.ts";

/**
 * Emails that other Workers of this account hand in, by queue or by RPC: under the checks and
 * guarantees of `POST /api/emails`.
 */

type Produced = { message: unknown; idempotencyKey: string | undefined };

/** Accepts one email of a producer. */
export async function acceptProduced(
  outbox: Outbox,
  env: EmailVariables & { ATTACHMENTS?: R2Bucket },
  { message, idempotencyKey }: Produced,
  now: number,
): Promise<Result<Accepted, Failure>> {
  const limits = dailyLimits(env, null);
  if (!limits.ok) return limits;
  const key = idempotencyKey === undefined ? {} : { idempotencyKey };
  const who = { tenant: PRODUCER_TENANT, limits: limits.value, ...key };
  const submission = withFiles(env, submissionOf(env, message, who, now));
  if (!submission.ok) return submission;
  // HTTP refuses that before it reads it.
  const bytes = new TextEncoder().encode(JSON.stringify(submission.value.request)).byteLength;
  if (bytes > MAX_REQUEST_BYTES)
    return fail({ tag: "body-too-large", limitBytes: MAX_REQUEST_BYTES });
  const room = new BodyRoom();
  if (!(await room.take(bytes)))
    return fail({ tag: "rate-limited", retryAfterMs: NO_ROOM_RETRY_MS });
  try {
    const [accepted] = await acceptEmails(outbox, [submission.value], now);
    return accepted ?? fail({ tag: "internal" });
  } finally {
    room.release();
  }
}

/** What becomes of a message that brings an email. */
export type AcceptedMessage =
  | { do: "acknowledge" }
  /** Later it may be accepted. Its key makes that safe. */
  | { do: "retry" }
  /** It never will be. The reason is for the dead letter. */
  | { do: "refuse"; reason: string };

/** Accepts an email that another Worker put on the queue, as a part of its trace. */
export async function acceptQueued(
  outbox: Outbox,
  env: EmailVariables & { ATTACHMENTS?: R2Bucket },
  { idempotencyKey, message, traceparent }: EmailSend,
): Promise<AcceptedMessage> {
  const traceId = traceIdOf(traceparent ?? "") ?? newTraceId();
  return await traced({ traceId }, async () => {
    const accepted = await acceptProduced(outbox, env, { message, idempotencyKey }, Date.now());
    if (accepted.ok) {
      const { id: emailId, replayed } = accepted.value;
      log("info", "producer.accepted", { emailId, replayed });
      return { do: "acknowledge" };
    }
    const { error } = accepted;
    if (worthARetry.has(error.tag)) {
      log("warn", "producer.retried", { problem: error.tag });
      return { do: "retry" };
    }
    log("warn", "producer.refused", { problem: error.tag });
    return { do: "refuse", reason: cut(`refused: ${problemOf(error).detail}`, 500) };
  });
}

/** Failures that may be over when the email is handed in again. */
const worthARetry: ReadonlySet<Failure["tag"]> = new Set<Failure["tag"]>([
  "unavailable",
  "database-full",
  "daily-limit",
  "outcome-unknown",
  "circuit-open",
  "misconfigured",
  "internal",
]);
