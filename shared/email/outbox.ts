import { isDatabaseFull, isReserveKept } from "../database/rules/faults.ts";
import { noteFull } from "../database/size.ts";
import { countTransaction } from "../database/transactions.ts";
import { isTimeout, WRITE_TIMEOUT_MS } from "../database/write.ts";
import { within } from "../lib/base/deadline.ts";
import { sha256Hex } from "../lib/base/hash.ts";
import { fail, ok, type Result } from "../lib/base/result.ts";
import { groupsWithin, MAX_BOUND, sizeOf } from "../lib/base/sizes.ts";
import { newUuidV7 } from "../lib/base/uuid.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { currentTraceId } from "../lib/worker/trace.ts";
import { counters } from "../telemetry/counters.ts";
import {
  answerTo,
  type Acceptance,
  type Accepted,
  type Full,
  type Unwritten,
} from "./accept-answer.ts";
import { dropLarge, storeLarge, type LargeFiles } from "./files/large.ts";
import { notify, type Due, type NotifyPorts } from "./notify.ts";
import type { DailyLimits } from "./rules/daily-limits.ts";
import type { WantedFiles } from "./rules/file.ts";
import { storedKey } from "./rules/idempotency.ts";
import type { NamedSender } from "./rules/senders.ts";
import { canonicalRequest, type EmailMessage, type EmailRequest } from "./schemas.ts";
import { insertEmail, type EmailSource, type NewEmail } from "./sql/accept.ts";
import {
  acceptEach,
  areThere,
  rereadVerdicts,
  type Submitted,
  type Verdict,
} from "./sql/submissions.ts";

/** `bucket`: for files that a row of D1 has no room for. */
export type Outbox = NotifyPorts & { bucket?: R2Bucket | undefined };

/** An email to be accepted. `request`: what its sender wrote, which an Idempotency-Key holds to. */
export type Submission = {
  request: EmailRequest;
  message: EmailMessage;
  sender: Sender;
  /** Absent if it names no uploaded file. */
  files?: WantedFiles;
  /** Absent if its row has room for all that came within it. */
  large?: LargeFiles;
};

/** The tenant of emails that belong to the operator. */
export const ADMIN_TENANT = "admin";
/** Of emails that other Workers send by a binding, which is not a user's key. */
export const PRODUCER_TENANT = "producer";
/** The tenant of the emails that Luna sends of itself. */
export const SYSTEM_TENANT = "system";

/**
 * What a caller writes in the batch that accepts its emails. `written`: SQL of whether one of them
 * was accepted, with `bound` as `?1`. `committed` is called once one was.
 */
export type Along = {
  statements: (written: { condition: string; bound: string }) => D1PreparedStatement[];
  committed: () => void;
};

/**
 * `named`: the sender that the email names; null for `EMAIL_FROM`. `position`: of an email in its
 * batch, which shares the key. `limits`: of emails per day; none by default. `test`: its key is for
 * tests. Emails that are accepted together have one tenant and its limits.
 */
export type Sender = {
  tenant: string;
  from: string;
  named: NamedSender | null;
  idempotencyKey?: string;
  position?: number;
  limits?: DailyLimits | null;
  test?: boolean;
};

/**
 * Accepts emails in one round trip to D1, or several if they are large, then sends their
 * notifications together. Once this returns `ok` for an email it is not lost, even if the rest
 * fails; when it fails nothing was written, except after `outcome-unknown`, which the same
 * Idempotency-Key makes safe to repeat. If D1 fails, all emails of a round trip fail together.
 *
 * @param along what the caller writes with the first of the round trips
 * @returns in the order of `emails`
 */
export async function acceptEmails(
  outbox: Outbox,
  emails: Submission[],
  now: number,
  along: Along | null = null,
): Promise<Result<Accepted, Acceptance>[]> {
  const accepted: Result<Accepted, Acceptance>[] = [];
  const prepared: Prepared[] = [];
  for (const [n, submission] of emails.entries()) {
    const email = await withLarge(outbox, submission, await submittedOf(submission, now), now);
    if (email.ok) prepared.push({ n, submission, email: email.value });
    else accepted[n] = email;
  }
  const due: Due[] = [];
  const groups = groupsWithin(prepared, MAX_BOUND, ({ email }) => sizeOf([email]));
  for (const [n, group] of groups.entries()) {
    const verdicts = await written(
      outbox.db,
      group.map(({ email }) => email),
      now,
      n === 0 ? along : null,
    );
    for (const [place, { n: at, submission, email }] of group.entries()) {
      const verdict = verdicts[place] ?? { tag: "absent" };
      accepted[at] = answerTo({ ...email, message: submission.message }, verdict, now);
      if (isRefused(verdict) && outbox.bucket !== undefined)
        await dropLarge(outbox.bucket, email.newFiles ?? [], now);
      if (verdict.tag !== "accepted") continue;
      countAccepted(email.id);
      due.push({ id: email.id, generation: 1, dueAt: Math.max(email.sendAt ?? now, now) });
    }
  }
  await notify(outbox, due, now);
  return accepted;
}

/** `n`: its place among all. */
type Prepared = { n: number; submission: Submission; email: Submitted };

/** Stores the files that the row of an email has no room for. */
async function withLarge(
  { bucket }: Outbox,
  { large, message: { attachments = [] } }: Submission,
  email: Submitted,
  now: number,
): Promise<Result<Submitted, Acceptance>> {
  if (large === undefined) return ok(email);
  if (bucket === undefined) return fail({ tag: "unavailable", dependency: "attachment store" });
  const stored = await storeLarge(bucket, attachments, large, now);
  return stored.ok ? ok({ ...email, ...stored.value }) : stored;
}

/** Whether it is certain that an email was not accepted. */
const isRefused = ({ tag }: Verdict | Unwritten): boolean =>
  tag !== "accepted" && tag !== "absent" && tag !== "failed" && tag !== "unknown";

export async function submittedOf(
  { request, message, files, sender }: Submission,
  now: number,
): Promise<Submitted> {
  const { tenant, from, named, idempotencyKey, position, limits = null, test = false } = sender;
  const key =
    idempotencyKey === undefined
      ? null
      : {
          ...storedKey(idempotencyKey, position ?? null, test),
          requestHash: await sha256Hex(JSON.stringify(request)),
          canonicalHash: await sha256Hex(canonicalRequest(request)),
        };
  return {
    ...message,
    id: newEmailId(now),
    tenant,
    from,
    named,
    traceId: currentTraceId(),
    limits,
    test,
    key,
    ...(files !== undefined && { files }),
  };
}

const isAccepted = ({ tag }: Verdict): boolean => tag === "accepted";

/** Accepts emails; if the reply is lost, only a read shows what became of them. Never throws. */
async function written(
  db: D1Database,
  emails: readonly Submitted[],
  now: number,
  along: Along | null,
): Promise<readonly (Verdict | Unwritten)[]> {
  try {
    const others = along?.statements(areThere(emails)) ?? [];
    const verdicts = await within(WRITE_TIMEOUT_MS, acceptEach(db, emails, now, others));
    const isCommitted = verdicts.some(isAccepted);
    if (isCommitted) along?.committed();
    countTransaction(isCommitted ? "committed" : "refused");
    return verdicts;
  } catch (error) {
    const full = fullIf(error);
    if (full?.keepsReserve === false) await noteFull(db, now);
    try {
      const verdicts = await within(WRITE_TIMEOUT_MS, rereadVerdicts(db, emails, now));
      const isCommitted = verdicts.some(isAccepted);
      // A write that timed out may still be committed.
      if (!isCommitted && isTimeout(error)) throw error;
      countTransaction(isCommitted ? "committed" : "failed");
      if (!isCommitted) log("error", "email.accept_failed", describeError(error));
      return verdicts.map((verdict) =>
        verdict.tag === "absent" ? (full ?? { tag: "failed" }) : verdict,
      );
    } catch (readError) {
      countTransaction(full === null ? "unknown" : "failed");
      log("error", "email.accept_outcome_unknown", describeError(readError));
      return emails.map(() => full ?? { tag: "unknown" });
    }
  }
}

/** It answered: nothing was written. */
const fullIf = (error: unknown): Full | null =>
  isDatabaseFull(error) ? { tag: "full", keepsReserve: isReserveKept(error) } : null;

/** The shard of all emails: there is one database. */
const SHARD = 0;
const newEmailId = (now: number): string => newUuidV7(now, SHARD);

function countAccepted(id: string): void {
  counters.count("luna_emails_accepted_total", {});
  log("info", "email.accepted", { emailId: id });
}

/**
 * A new email for a batch of the caller's own.
 *
 * @param source the row that it is accepted for, in a batch with a condition
 * @returns the statements, and what to call once they are committed and the email is there
 */
export function newEmail(
  db: D1Database,
  email: Omit<NewEmail, "id" | "traceId">,
  now: number,
  source: EmailSource | null = null,
): { id: string; statements: D1PreparedStatement[]; accepted: () => void } {
  const id = newEmailId(now);
  return {
    id,
    statements: insertEmail(db, { ...email, id, traceId: currentTraceId() }, now, source),
    accepted: () => countAccepted(id),
  };
}
