import { DAY_MS } from "../lib/base/clock.ts";

/** Rows per statement: more would block other writes for too long. */
const BATCH_SIZE = 1_000;
/** Statements per run; the next run continues. */
const MAX_BATCHES = 20;
/** What is left is counted up to this. */
export const MAX_COUNTED = 100_000;
/** What should have been done so long ago is late. */
const LATE_MS = DAY_MS;

/** Rows that are to be deleted or settled once their time is over. */
export type Overdue = {
  /** Deletes or settles at most `limit` rows whose time was over at `until`. @returns how many */
  drainSome: (until: number, limit: number) => Promise<number>;
  /** How many rows there are whose time was over at `until`. It counts no further than `limit`. */
  count: (until: number, limit: number) => Promise<number>;
};

/**
 * `left`: rows that wait for the next run. `late`: those whose time was over a day ago. Both count
 * no further than 100,000.
 */
export type DrainCounts = { drained: number; left: number; late: number };

type Pace = { batchSize?: number; maxBatches?: number };

/**
 * Repeats a bounded delete or update until no row is left, the run has done `maxBatches` (20)
 * batches of `batchSize` (1,000), or it is aborted.
 *
 * @param until rows whose time was over then, in milliseconds since the epoch
 */
export async function drainInBatches(
  { drainSome, count }: Overdue,
  until: number,
  signal: AbortSignal,
  { batchSize = BATCH_SIZE, maxBatches = MAX_BATCHES }: Pace = {},
): Promise<DrainCounts> {
  let drained = 0;
  for (let batch = 0; batch < maxBatches && !signal.aborted; batch += 1) {
    const inBatch = await drainSome(until, batchSize);
    drained += inBatch;
    if (inBatch < batchSize) return { drained, left: 0, late: 0 };
  }
  const left = await count(until, MAX_COUNTED);
  return { drained, left, late: left === 0 ? 0 : await count(until - LATE_MS, left) };
}

/** The sums of what several tables have left, for the record of a run. */
export function sumOfLeft(drained: readonly DrainCounts[]): Pick<DrainCounts, "left" | "late"> {
  const sum = (field: "left" | "late"): number =>
    drained.reduce((total, one) => total + one[field], 0);
  return { left: sum("left"), late: sum("late") };
}
