import { deletedOnceOver, type ExpiringRows } from "../../shared/database/expiring.ts";
import {
  drainInBatches,
  sumOfLeft,
  type DrainCounts,
} from "../../shared/schedule/drain-in-batches.ts";
import { exportRows, type TableExport } from "./export-history.ts";

/** Rows of which those are deleted whose time was over at `until`. `exported`: how, before that. */
type Expired = { rows: ExpiringRows; until: number; exported?: TableExport | null };

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
  for (const [name, { rows, until, exported }] of Object.entries(expired) as [Name, Expired][]) {
    const overdue = deletedOnceOver(db, rows);
    const drainSome = (before: number, limit: number): Promise<number> =>
      exported == null
        ? overdue.drainSome(before, limit)
        : exportRows(db, rows, exported, { until: before, limit });
    drained[name] = await drainInBatches({ ...overdue, drainSome }, until, signal);
  }
  return { ...countsOf(drained), ...sumOfLeft(Object.values(drained)) };
}

function countsOf<Name extends string>(drained: Record<Name, DrainCounts>): Record<Name, number> {
  const counts = Object.entries<DrainCounts>(drained).map(([name, one]) => [name, one.drained]);
  return Object.fromEntries(counts) as Record<Name, number>;
}
