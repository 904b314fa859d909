/** Rows per statement: more would block other writes for too long. */
const BATCH_SIZE = 1_000;
/** Statements per run; the next run continues. */
const MAX_BATCHES = 20;

/**
 * Repeats a bounded delete or update until no row is left, the run has done 20 batches, or it is
 * aborted.
 *
 * @param drainSome deletes or settles at most `limit` rows and returns how many
 * @returns how many rows all batches deleted or settled
 */
export async function drainInBatches(
  drainSome: (limit: number) => Promise<number>,
  signal: AbortSignal,
): Promise<number> {
  let drained = 0;
  for (let batch = 0; batch < MAX_BATCHES && !signal.aborted; batch += 1) {
    const inBatch = await drainSome(BATCH_SIZE);
    drained += inBatch;
    if (inBatch < BATCH_SIZE) break;
  }
  return drained;
}
