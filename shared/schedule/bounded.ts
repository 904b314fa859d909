/** Rows of one statement: more would hold up other writes. */
const LIMIT = 1_000;
/** Statements of one run; the next run takes the rest. */
const MAX_ROUNDS = 20;

/**
 * Repeats a deletion until nothing is left, or the run has done enough.
 *
 * @param deleteSome deletes at most `limit` rows, and says how many they were
 * @returns how many rows were deleted
 */
export async function untilNoneIsLeft(deleteSome: (limit: number) => Promise<number>, signal: AbortSignal): Promise<number> {
  let deleted = 0;
  for (let round = 0; round < MAX_ROUNDS && !signal.aborted; round += 1) {
    const inRound = await deleteSome(LIMIT);
    deleted += inRound;
    if (inRound < LIMIT) break;
  }
  return deleted;
}
