import { deletedOnceOver, type ExpiringRows } from "../../shared/database/expiring.ts";
import {
  drainInBatches,
  sumOfLeft,
  type DrainCounts,
} from "../../shared/schedule/drain-in-batches.ts";

/** Rows of which those are deleted whose time was over at `until`. */
type Expired = { rows: ExpiringRows; until: number };

/**
 * Deletes rows of several tables, one table after the other.
 *
 * @returns how many rows of each, and what all have left
 */
export async function expire<Name extends string>(
  db: D1Database,
  expired: Record<Name, Expired>,
  signal: AbortSignal,
): Promise<Record<Name | "left" | "late", number>> {
  const drained = {} as Record<Name, DrainCounts>;
  for (const [name, { rows, until }] of Object.entries(expired) as [Name, Expired][])
    drained[name] = await drainInBatches(deletedOnceOver(db, rows), until, signal);
  return { ...countsOf(drained), ...sumOfLeft(Object.values(drained)) };
}

function countsOf<Name extends string>(drained: Record<Name, DrainCounts>): Record<Name, number> {
  const counts = Object.entries<DrainCounts>(drained).map(([name, one]) => [name, one.drained]);
  return Object.fromEntries(counts) as Record<Name, number>;
}
