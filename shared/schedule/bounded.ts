/** Rows of one statement: more would hold up other writes. */
const LIMIT = 1_000;
/** Statements of one run; the next run takes the rest. */
const MAX_ROUNDS = 20;

/**
 * Repeats what takes away some of what is left until nothing is, or the run has done enough.
 *
 * @param takeSome deletes or settles at most `limit` rows, and says how many they were
 * @returns how many rows they were
 */
export async function untilNoneIsLeft(
  takeSome: (limit: number) => Promise<number>,
  signal: AbortSignal,
): Promise<number> {
  let taken = 0;
  for (let round = 0; round < MAX_ROUNDS && !signal.aborted; round += 1) {
    const inRound = await takeSome(LIMIT);
    taken += inRound;
    if (inRound < LIMIT) break;
  }
  return taken;
}
