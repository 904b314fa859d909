import { countTransaction } from "../database/transactions.ts";
import { isTimeout, WRITE_TIMEOUT_MS } from "../database/write.ts";
import type { Failure } from "../http/failure.ts";
import { within } from "../lib/base/deadline.ts";
import { sha256Hex } from "../lib/base/hash.ts";
import { fail, ok, type Result } from "../lib/base/result.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { currentTraceId } from "../lib/worker/trace.ts";
import { counters } from "../telemetry/counters.ts";
import { notificationFor, type QueueMessage } from "./queue-messages.ts";
import { notificationDelaySeconds } from "./rules/retry-policy.ts";
import type { EmailMessage, EmailRequest } from "./schemas.ts";
import { acceptedAs, emailExists, insertEmail, type NewEmail } from "./sql/emails.ts";
import { findIdempotencyKey, insertIdempotencyKey } from "./sql/idempotency-keys.ts";
import { notifySoon } from "./sql/notifications.ts";
import { findSuppressed } from "./sql/suppressions.ts";

export type Outbox = { db: D1Database; queue: Queue<QueueMessage> };

const IDEMPOTENCY_MS = 86_400_000;
/**
 * The longest that a request, or an email that is being handed over, waits for a queue.
 */
export const QUEUE_TIMEOUT_MS = 2_000;
const SUPPRESSIONS_TIMEOUT_MS = 2_000;
/** The most that one `sendBatch` takes. */
const QUEUE_BATCH = 100;

export type Accepted = { id: string; status: "scheduled" | "queued"; replayed: boolean };

type Acceptance = Extract<
  Failure,
  { tag: "suppressed" | "idempotency-key-reused" | "unavailable" | "outcome-unknown" }
>;

/** An email to be accepted. `request`: what its sender wrote, which an Idempotency-Key holds to. */
export type Submission = { request: EmailRequest; message: EmailMessage; sender: Sender };

/** The tenant of emails that belong to the operator. */
export const ADMIN_TENANT = "admin";

export type Sender = { tenant: string; from: string; idempotencyKey?: string };

/** D1 batches at a time: a hundred emails would otherwise wait for each other one by one. */
const AT_ONCE = 10;

/**
 * Accepts emails: a D1 batch each, then the notifications together. Once this returns `ok` for an
 * email it is not lost, whatever else fails; when it fails nothing was written of it, except after
 * `outcome-unknown`, which the same Idempotency-Key makes safe to repeat.
 *
 * @returns in the order of `emails`
 */
export async function acceptEmails(
  outbox: Outbox,
  emails: Submission[],
  now: number,
): Promise<Result<Accepted, Acceptance>[]> {
  const suppressed = await suppressedAmong(outbox.db, emails);
  const accepted: Result<Accepted, Acceptance>[] = [];
  for (let start = 0; start < emails.length; start += AT_ONCE) {
    const group = emails.slice(start, start + AT_ONCE);
    const written = group.map(async (email, n) => {
      const reason = suppressed.get(start + n);
      return reason === undefined
        ? await write(outbox.db, email, now)
        : await refuseUnlessReplayed(outbox.db, email, reason, now);
    });
    accepted.push(...(await Promise.all(written)));
  }
  const due = accepted.flatMap((email, n) =>
    email.ok && !email.value.replayed
      ? [
          {
            id: email.value.id,
            generation: 1,
            dueAt: Math.max(emails[n]?.message.sendAt ?? now, now),
          },
        ]
      : [],
  );
  await notify(outbox, due, now);
  return accepted;
}

/** If the list cannot be read, emails are accepted anyway: the claim checks it again. */
async function suppressedAmong(
  db: D1Database,
  emails: { message: EmailMessage }[],
): ReturnType<typeof findSuppressed> {
  try {
    const recipients = emails.map(({ message: { to, category } }) => ({ to, category }));
    return await within(SUPPRESSIONS_TIMEOUT_MS, findSuppressed(db, recipients));
  } catch (error) {
    log("warn", "email.suppressions_unread", describeError(error));
    return new Map();
  }
}

/**
 * A repeat under the same key gets the answer of the first request, also if the recipient was
 * suppressed since.
 */
async function refuseUnlessReplayed(
  db: D1Database,
  { request, message, sender: { tenant, idempotencyKey: key } }: Submission,
  reason: Extract<Failure, { tag: "suppressed" }>["reason"],
  now: number,
): Promise<Result<Accepted, Acceptance>> {
  try {
    const earlier =
      key === undefined
        ? null
        : await within(WRITE_TIMEOUT_MS, findIdempotencyKey(db, tenant, key, now));
    return earlier === null
      ? fail({ tag: "suppressed", reason })
      : replayed(earlier, message, await hashOf(request));
  } catch (error) {
    log("error", "email.key_unread", describeError(error));
    return fail({ tag: "unavailable", dependency: "database" });
  }
}

type Earlier = NonNullable<Awaited<ReturnType<typeof findIdempotencyKey>>>;

function replayed(
  earlier: Earlier,
  message: EmailMessage,
  requestHash: string,
): Result<Accepted, Acceptance> {
  if (earlier.requestHash !== requestHash) return fail({ tag: "idempotency-key-reused" });
  return ok({
    id: earlier.emailId,
    status: acceptedAs(message, earlier.acceptedAt),
    replayed: true,
  });
}

const hashOf = async (request: EmailRequest): Promise<string> =>
  await sha256Hex(JSON.stringify(request));

async function write(
  db: D1Database,
  { request, message, sender }: Submission,
  now: number,
): Promise<Result<Accepted, Acceptance>> {
  const { tenant, from, idempotencyKey: key } = sender;
  const { id, statements, accepted } = newEmail(db, { ...message, tenant, from }, now);
  const requestHash = key === undefined ? "" : await hashOf(request);
  if (key !== undefined)
    statements.unshift(
      ...insertIdempotencyKey(
        db,
        { tenant, key, requestHash, emailId: id, expiresAt: now + IDEMPOTENCY_MS },
        now,
      ),
    );

  try {
    await within(WRITE_TIMEOUT_MS, db.batch(statements));
  } catch (error) {
    // Either the key was used before, or D1 failed, perhaps after it had written. Only a read shows
    // which.
    try {
      const earlier =
        key === undefined
          ? null
          : await within(WRITE_TIMEOUT_MS, findIdempotencyKey(db, tenant, key, now));
      if (earlier !== null && earlier.emailId !== id) {
        countTransaction("refused");
        return replayed(earlier, message, requestHash);
      }
      if (!(await within(WRITE_TIMEOUT_MS, emailExists(db, id)))) {
        // A write that timed out may still be committed.
        if (isTimeout(error)) throw error;
        countTransaction("failed");
        log("error", "email.accept_failed", describeError(error));
        return fail({ tag: "unavailable", dependency: "database" });
      }
    } catch (readError) {
      countTransaction("unknown");
      log("error", "email.accept_outcome_unknown", describeError(readError));
      return fail({ tag: "outcome-unknown" });
    }
  }
  countTransaction("committed");
  accepted();
  return ok({ id, status: acceptedAs(message, now), replayed: false });
}

/**
 * A new email for a batch of the caller's own.
 *
 * @returns the statements, and what to call once they are committed
 */
export function newEmail(
  db: D1Database,
  email: Omit<NewEmail, "id" | "traceId">,
  now: number,
): { id: string; statements: D1PreparedStatement[]; accepted: () => void } {
  const id = crypto.randomUUID();
  return {
    id,
    statements: insertEmail(db, { ...email, id, traceId: currentTraceId() }, now),
    accepted() {
      counters.count("luna_emails_accepted_total", {});
      log("info", "email.accepted", { emailId: id });
    },
  };
}

/**
 * Notifies the consumer of emails at their due time. If the queue takes no notification, that is
 * not an error: the sweeper notifies instead.
 */
export async function notify(
  outbox: Outbox,
  emails: { id: string; generation: number; dueAt: number }[],
  now: number,
): Promise<void> {
  if (emails.length === 0) return;
  try {
    await within(
      QUEUE_TIMEOUT_MS,
      sendAll(
        outbox.queue,
        emails.map((email) => ({
          body: notificationFor(email),
          delaySeconds: notificationDelaySeconds(email.dueAt, now),
        })),
      ),
    );
  } catch (error) {
    log("warn", "email.notification_failed", { emails: emails.length, ...describeError(error) });
    const ids = emails.map((email) => email.id);
    await within(QUEUE_TIMEOUT_MS, notifySoon(outbox.db, ids, now)).catch((later: unknown) =>
      log("warn", "email.notify_soon_failed", describeError(later)),
    );
  }
}

/** Sends any number of messages, a queue batch at a time. */
export async function sendAll(
  queue: Queue<QueueMessage>,
  messages: MessageSendRequest<QueueMessage>[],
): Promise<void> {
  for (let start = 0; start < messages.length; start += QUEUE_BATCH) {
    await queue.sendBatch(messages.slice(start, start + QUEUE_BATCH));
  }
}
