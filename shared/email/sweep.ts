import { describeError } from "../lib/worker/log.ts";
import { LEASE_MS } from "./delivery/lease.ts";
import { observeSettled } from "./delivery/observe.ts";
import { sendAll } from "./outbox.ts";
import { deadLetterMessageFor, notificationFor, type QueueMessage } from "./queue-messages.ts";
import { expireLease, keyForgotten, leaseExpired, putBack } from "./rules/lifecycle.ts";
import type { RetryPolicy } from "./rules/retry-policy.ts";
import { promoteDue } from "./sql/claim.ts";
import { expiredLeases, forgottenPins, settleExpired, settleForgotten } from "./sql/expiry.ts";
import {
  dueEmails,
  emailsToNotify,
  missingDeadLetters,
  recordNotifications,
} from "./sql/notifications.ts";
import type { Settled } from "./sql/settle.ts";

/** `everything`: also what was rung for lately, for an operator who has just mended something. */
export type Sweep = {
  db: D1Database;
  queue: Queue<QueueMessage>;
  deadLetterQueue: Queue<QueueMessage>;
  policy: RetryPolicy;
  everything: boolean;
};

/** What one sweep did, in mails. */
export type Swept = { released: number; unknown: number; rung: number; buried: number };

/** Rows of each kind in one run; the next minute takes the rest. */
const LIMIT = 1_000;

/**
 * Recovers what a crash or a lost message left behind: reclaims expired leases, queues what was
 * scheduled, rings for due mails that nobody rang for, and buries the dead whose dead letter never
 * arrived. Safe to run twice and at the same time as anything else: every change is guarded by the
 * state it starts from, and a doorbell too many rings for nothing. One step that fails does not
 * stop the other.
 *
 * @param random in [0, 1), for each mail's jitter
 * @throws AggregateError of the steps that failed, after both ran
 */
export async function sweepOutbox(sweep: Sweep, now: number, random: () => number): Promise<Swept> {
  const [reclaimed, buried] = await Promise.allSettled([
    reclaimAndRing(sweep, now, random),
    sendMissingDeadLetters(sweep, now),
  ]);
  if (reclaimed.status === "fulfilled" && buried.status === "fulfilled")
    return { ...reclaimed.value, buried: buried.value };
  const failed = [reclaimed, buried].flatMap((step) =>
    step.status === "rejected" ? [step.reason as unknown] : [],
  );
  throw new AggregateError(
    failed,
    `sweep: ${failed.map((reason) => describeError(reason).message).join("; ")}`,
  );
}

async function reclaimAndRing(
  { db, queue, policy, everything }: Sweep,
  now: number,
  random: () => number,
): Promise<Pick<Swept, "released" | "unknown" | "rung">> {
  const expired = await expiredLeases(db, now, LIMIT);
  const settled = expired.map(({ leaseExpiresAt, ...mail }): Settled => ({
    id: mail.id,
    generation: mail.generation,
    settlement: expireLease(
      { ...mail, handOverAt: leaseExpiresAt - LEASE_MS },
      policy,
      now,
      random(),
    ),
    detail: leaseExpired,
  }));
  await settleExpired(db, settled, now);
  const forgotten = (await forgottenPins(db, now, LIMIT)).map((mail): Settled => ({
    id: mail.id,
    generation: mail.generation,
    settlement: putBack(mail, now),
    detail: keyForgotten(mail.transport),
  }));
  await settleForgotten(db, forgotten, now);
  observeSettled([...settled, ...forgotten]);
  await promoteDue(db, now, LIMIT);

  const due = everything ? await dueEmails(db, now, LIMIT) : await emailsToNotify(db, now, LIMIT);
  await sendAll(
    queue,
    due.map((mail) => ({ body: notificationFor(mail) })),
  );
  await recordNotifications(db, due, now);

  const became = (...statuses: string[]): number =>
    [...settled, ...forgotten].filter((mail) => statuses.includes(mail.settlement.status)).length;
  return { released: became("queued", "pinned"), unknown: became("unknown"), rung: due.length };
}

async function sendMissingDeadLetters(
  { db, deadLetterQueue }: Sweep,
  now: number,
): Promise<number> {
  const graves = await missingDeadLetters(db, now, LIMIT);
  await sendAll(
    deadLetterQueue,
    graves.map((grave) => ({ body: deadLetterMessageFor(grave) })),
  );
  await recordNotifications(db, graves, now);
  return graves.length;
}
