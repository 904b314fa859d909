import { isDatabaseFull } from "../../database/rules/faults.ts";
import { noteFull } from "../../database/size.ts";
import { countTransaction } from "../../database/transactions.ts";
import { WRITE_TIMEOUT_MS } from "../../database/write.ts";
import { within } from "../../lib/base/deadline.ts";
import { describeError, log } from "../../lib/worker/log.ts";
import { notify, QUEUE_TIMEOUT_MS, sendAll } from "../notify.ts";
import { deadLetterMessageFor } from "../queue-messages.ts";
import { filesBytes, leaseMs } from "../rules/hand-over-size.ts";
import type { RateAnswer } from "../rules/pace.ts";
import type { Plan } from "../rules/plan.ts";
import type { TransportName } from "../rules/transports.ts";
import { recordAndMarkSending, type Marked } from "../sql/delivery.ts";
import { settleInPlace, type Settled } from "../sql/settle.ts";
import { recordTestEnds } from "../sql/test-ends.ts";
import { LEASE_MS } from "./lease.ts";
import { paceOf, type Delivery, type Paced } from "./ports.ts";

/**
 * An outcome that is not recorded leaves a sent email `unknown`, so D1 is asked again. Repeating is
 * safe: see `recordAndMarkSending`.
 */
const RECORD_RETRIES_MS = [100, 300, 1_000, 3_000, 5_000, 10_000];

/** `answers`: what the emails of the last group were answered about rates. */
type Recording = {
  token: string;
  settled: Settled[];
  answers: readonly RateAnswer[];
  marks: Plan["marks"];
  groupId: string;
  paced: Readonly<Paced>;
};

/** `reserved`: the transports for which this group asked for a reservation. */
export type MarkedGroup = Marked & { reserved: readonly TransportName[]; at: number };

/** @returns null if D1 did not answer or is full: the leases expire, and the sweeper takes over */
export async function recordAndMark(
  { db, clock, sleep, transports }: Delivery,
  { token, settled, answers, marks, groupId, paced }: Recording,
): Promise<MarkedGroup | null> {
  const next = marks.map(({ email: { id, failover }, transport }) => ({ id, transport, failover }));
  const reservations = transports.flatMap((one) => {
    const { name, everyMs } = one;
    const own = marks.filter(({ transport }) => transport === name);
    const maxWaitMs = Math.max(0, ...own.map(({ email }) => email.reservesAheadMs));
    return paceOf(one, paced).everyMs === null || own.length === 0
      ? []
      : [{ transport: name, emails: own.length, everyMs, groupId, maxWaitMs }];
  });
  const reserved = reservations.map(({ transport }) => transport);
  const configured = (name: TransportName): number | null =>
    transports.find((transport) => transport.name === name)?.everyMs ?? null;
  const longestLeaseMs = Math.max(
    LEASE_MS,
    ...marks.map(({ email }) => leaseMs(filesBytes(email.files))),
  );
  for (const delayMs of [...RECORD_RETRIES_MS, null]) {
    const now = clock();
    try {
      const marked = await within(
        WRITE_TIMEOUT_MS,
        recordAndMarkSending(db, {
          token,
          settled,
          marks: next,
          reservations,
          answers: answers.map((one) => ({ ...one, everyMs: configured(one.transport) })),
          now,
          leaseExpiresAt: now + longestLeaseMs,
        }),
      );
      countTransaction("committed");
      return { ...marked, reserved, at: now };
    } catch (error) {
      log("error", "email.record_failed", {
        settled: settled.length,
        next: next.length,
        ...describeError(error),
      });
      if (isDatabaseFull(error)) {
        await noteFull(db, now);
        // What is claimed waits for its lease: there is no room to mark it.
        if (settled.length === 0) return null;
        if (await isRecordedInPlace(db, { token, settled }, now))
          return { emails: [], pace: [], reserved, at: now };
      }
      if (delayMs !== null) await sleep(delayMs);
    }
  }
  countTransaction("unknown");
  return null;
}

/** An outcome is known, so it is recorded also where D1 has no room for its event. */
async function isRecordedInPlace(
  db: D1Database,
  { token, settled }: Pick<Recording, "token" | "settled">,
  now: number,
): Promise<boolean> {
  try {
    await within(WRITE_TIMEOUT_MS, db.batch(settleInPlace(db, settled, token, now)));
    countTransaction("committed");
    log("warn", "email.recorded_in_place", { settled: settled.length });
    return true;
  } catch (error) {
    log("error", "email.record_failed", { settled: settled.length, ...describeError(error) });
    return false;
  }
}

/**
 * Notifies of what is tried again, and sends the dead to the dead-letter queue. The sweeper sends
 * what cannot be sent now.
 */
export async function sendFollowUps(delivery: Delivery, settled: Settled[]): Promise<void> {
  const again = settled.flatMap(({ id, generation, settlement }) =>
    settlement.status === "queued" || settlement.status === "pinned"
      ? [{ id, generation, dueAt: settlement.dueAt }]
      : [],
  );
  const dead = settled.flatMap((email) =>
    email.settlement.status === "dead" ? [{ body: deadLetterMessageFor(email) }] : [],
  );
  // The next group is marked already, so each second here is taken from its lease.
  const deadLettered = within(QUEUE_TIMEOUT_MS, sendAll(delivery.deadLetterQueue, dead)).catch(
    (error: unknown) =>
      log("warn", "email.dead_letter_failed", { emails: dead.length, ...describeError(error) }),
  );
  await Promise.all([
    notify(delivery, again, delivery.clock()),
    deadLettered,
    endTests(delivery, settled),
  ]);
}

/** What is not recorded stays as it was handed over. */
async function endTests({ db, clock }: Delivery, settled: Settled[]): Promise<void> {
  const ends = settled.flatMap(({ endOfTest }) => endOfTest ?? []);
  if (ends.length === 0) return;
  await within(WRITE_TIMEOUT_MS, db.batch(recordTestEnds(db, ends, clock()))).catch(
    (error: unknown) => log("warn", "email.test_ends_failed", describeError(error)),
  );
}
