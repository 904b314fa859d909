import { describeError } from "../lib/worker/log.ts";
import { LEASE_MS } from "./delivery/lease.ts";
import { observeSettled } from "./delivery/observe.ts";
import { sendAll } from "./notify.ts";
import { deadLetterMessageFor, notificationFor, type QueueMessage } from "./queue-messages.ts";
import { keyForgotten, leaseExpired, waitedTooLong } from "./rules/details.ts";
import { expireLease, putBack } from "./rules/lifecycle.ts";
import type { RetryPolicy } from "./rules/retry-policy.ts";
import { endOf, type WaitLimits } from "./rules/waits.ts";
import { promoteDue } from "./sql/claim.ts";
import {
  endlessWaits,
  expiredLeases,
  forgottenPins,
  settleExpired,
  settleForgotten,
  settleWaits,
} from "./sql/expiry.ts";
import {
  dueEmails,
  emailsToNotify,
  missingDeadLetters,
  recordNotifications,
} from "./sql/notifications.ts";
import type { Settled } from "./sql/settle.ts";

/** `everything`: also what was notified of lately, for an operator who has just fixed something. */
export type Sweep = {
  db: D1Database;
  queue: Queue<QueueMessage>;
  deadLetterQueue: Queue<QueueMessage>;
  policy: RetryPolicy;
  waitLimits: Pick<WaitLimits, "maxWaitMs">;
  everything: boolean;
};

/** What one sweep did, in emails. */
export type Swept = { released: number; unknown: number; notified: number; deadLettered: number };

/** Rows of each kind in one run; the next minute takes the rest. */
const LIMIT = 1_000;

/**
 * Recovers what a crash or a lost message left behind: reclaims expired leases, queues what was
 * scheduled, notifies of due emails, and sends the dead again whose dead letter never
 * arrived. Safe to run twice and at the same time as anything else: every change is guarded by the
 * state it starts from, and a notification too many has no effect. One step that fails does not
 * stop the other.
 *
 * @param random in [0, 1), for each email's jitter
 * @throws AggregateError of the steps that failed, after both ran
 */
export async function runSweep(sweep: Sweep, now: number, random: () => number): Promise<Swept> {
  const [reclaimed, deadLettered] = await Promise.allSettled([
    reclaimAndNotify(sweep, now, random),
    sendMissingDeadLetters(sweep, now),
  ]);
  if (reclaimed.status === "fulfilled" && deadLettered.status === "fulfilled")
    return { ...reclaimed.value, deadLettered: deadLettered.value };
  const failed = [reclaimed, deadLettered].flatMap((step) =>
    step.status === "rejected" ? [step.reason as unknown] : [],
  );
  throw new AggregateError(
    failed,
    `sweep: ${failed.map((reason) => describeError(reason).message).join("; ")}`,
  );
}

async function reclaimAndNotify(
  { db, queue, policy, waitLimits, everything }: Sweep,
  now: number,
  random: () => number,
): Promise<Pick<Swept, "released" | "unknown" | "notified">> {
  const expired = await expiredLeases(db, now, LIMIT);
  const settled = expired.map(({ leaseExpiresAt, ...email }): Settled => ({
    id: email.id,
    generation: email.generation,
    settlement: expireLease(
      { ...email, handOverAt: leaseExpiresAt - LEASE_MS },
      { policy, now, random: random() },
    ),
    detail: leaseExpired,
  }));
  await settleExpired(db, settled, now);
  const forgotten = (await forgottenPins(db, now, LIMIT)).map((email): Settled => ({
    id: email.id,
    generation: email.generation,
    settlement: putBack(email, now),
    detail: keyForgotten(email.transport),
  }));
  await settleForgotten(db, forgotten, now);
  observeSettled([...settled, ...forgotten, ...(await endWaits(db, waitLimits, now))]);
  await promoteDue(db, now, LIMIT);

  const due = everything ? await dueEmails(db, now, LIMIT) : await emailsToNotify(db, now, LIMIT);
  await sendAll(
    queue,
    due.map((email) => ({ body: notificationFor(email) })),
  );
  await recordNotifications(db, due, now);

  const became = (...statuses: string[]): number =>
    [...settled, ...forgotten].filter((email) => statuses.includes(email.settlement.status)).length;
  return { released: became("queued", "pinned"), unknown: became("unknown"), notified: due.length };
}

/**
 * An email that waits only for an open circuit breaker has no attempt that could end it. With a
 * limit of 0 hours it waits for as long as the breaker is open.
 */
async function endWaits(
  db: D1Database,
  { maxWaitMs }: Sweep["waitLimits"],
  now: number,
): Promise<Settled[]> {
  if (maxWaitMs === 0) return [];
  const until = now - maxWaitMs;
  const settled = (await endlessWaits(db, until, LIMIT)).map(({ id, generation, attempts }) => {
    const settlement = { status: "dead", attempts, reason: endOf.server } as const;
    return { id, generation, settlement, detail: waitedTooLong };
  });
  await settleWaits(db, settled, until, now);
  return settled;
}

async function sendMissingDeadLetters(
  { db, deadLetterQueue }: Sweep,
  now: number,
): Promise<number> {
  const dead = await missingDeadLetters(db, now, LIMIT);
  await sendAll(
    deadLetterQueue,
    dead.map((email) => ({ body: deadLetterMessageFor(email) })),
  );
  await recordNotifications(db, dead, now);
  return dead.length;
}
