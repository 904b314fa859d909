import { expireLease, leaseExpired } from "./lifecycle.ts";
import { expiredLeases, settleExpired, type Settled } from "./delivery/store.ts";
import { unburied } from "./dead-letters/store.ts";
import { buryFor, doorbellFor, type QueueMessage } from "./messages.ts";
import { describeError } from "../telemetry/log.ts";
import { sendAll } from "./outbox.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import { deleteExpiredIdempotencyKeys, mailsToRing, recordRings } from "./store.ts";

export type Sweep = { db: D1Database; queue: Queue<QueueMessage>; deadLetterQueue: Queue<QueueMessage>; policy: RetryPolicy };

/** What one sweep did, in mails. */
export type Swept = { released: number; unknown: number; rung: number; buried: number; expiredKeys: number };

/** Rows of each kind in one run; the next minute takes the rest. */
const LIMIT = 1_000;
/** Keys that expire faster than they are dropped would fill the table: up to 20,000 a minute. */
const MAX_ROUNDS = 20;

/**
 * Recovers what a crash or a lost message left behind: reclaims expired leases, rings for due mails that nobody rang for,
 * buries the dead whose dead letter never arrived and drops idempotency keys that have expired. Safe to run twice and at
 * the same time as anything else: every change is guarded by the state it starts from, and a doorbell too many rings for
 * nothing. One step that fails stops no other.
 *
 * @param random in [0, 1), for each mail's jitter
 * @throws AggregateError of the steps that failed, after all of them ran
 */
export async function sweepOutbox(sweep: Sweep, now: number, random: () => number): Promise<Swept> {
  const [reclaimed, buried, expiredKeys] = await Promise.allSettled([
    reclaimAndRing(sweep, now, random),
    buryAgain(sweep, now),
    dropExpiredKeys(sweep, now),
  ]);
  if (reclaimed.status === "fulfilled" && buried.status === "fulfilled" && expiredKeys.status === "fulfilled") {
    return { ...reclaimed.value, buried: buried.value, expiredKeys: expiredKeys.value };
  }
  const failed = [reclaimed, buried, expiredKeys].filter((step) => step.status === "rejected").map((step) => step.reason as unknown);
  throw new AggregateError(failed, `sweep: ${failed.map((reason) => describeError(reason).message).join("; ")}`);
}

async function reclaimAndRing(
  { db, queue, policy }: Sweep,
  now: number,
  random: () => number,
): Promise<Omit<Swept, "buried" | "expiredKeys">> {
  const expired = await expiredLeases(db, now, LIMIT);
  const settled = expired.map((mail): Settled => ({
    id: mail.id,
    generation: mail.generation,
    settlement: expireLease(mail, policy, now, random()),
    detail: leaseExpired,
  }));
  await settleExpired(db, settled, now);

  const due = await mailsToRing(db, now, LIMIT);
  await sendAll(
    queue,
    due.map((mail) => ({ body: doorbellFor(mail) })),
  );
  await recordRings(db, due, now);

  const became = (status: string): number => settled.filter((mail) => mail.settlement.status === status).length;
  return { released: became("queued"), unknown: became("unknown"), rung: due.length };
}

async function buryAgain({ db, deadLetterQueue }: Sweep, now: number): Promise<number> {
  const graves = await unburied(db, now, LIMIT);
  await sendAll(
    deadLetterQueue,
    graves.map((grave) => ({ body: buryFor(grave) })),
  );
  await recordRings(db, graves, now);
  return graves.length;
}

async function dropExpiredKeys({ db }: Sweep, now: number): Promise<number> {
  let dropped = 0;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const inRound = await deleteExpiredIdempotencyKeys(db, now, LIMIT);
    dropped += inRound;
    if (inRound < LIMIT) break;
  }
  return dropped;
}
