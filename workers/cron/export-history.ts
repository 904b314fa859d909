import { oldDaysOfPage, type OldDays } from "../../shared/accounts/sql/usage-roll-up.ts";
import {
  deletionOf,
  rowsThatAreOver,
  type ExpiringRows,
  type StoredRow,
} from "../../shared/database/expiring.ts";
import {
  deleteTheseExecutions,
  oldExecutions,
  type ExportedExecution,
} from "../../shared/schedule/sql/history.ts";
import type { CronEnv } from "../env.ts";
import { dayOf } from "./dates.ts";
import { exportOf, exportPages, type Export } from "./export.ts";
import type { ExportKind } from "./rules/export.ts";

/** Rows of history that are exported before they are deleted. */

/** How rows of a table are exported. `order`: of the index that finds them. */
export type TableExport = {
  write: Export;
  kind: ExportKind;
  order: string;
  named: (first: StoredRow) => { day: string; cursor: string };
};

export const auditExport = (write: Export | null): TableExport | null =>
  write && {
    write,
    kind: "audit",
    order: "at, id",
    named: ({ at, id }) => ({ day: dayOf(Number(at)), cursor: `${at}-${id}` }),
  };

export const monthsExport = (write: Export | null): TableExport | null =>
  write && {
    write,
    kind: "usage-months",
    order: "month, user_id, metric",
    named: ({ month, user_id: user, metric }) => ({
      day: `${month}-01`,
      cursor: `${user} ${metric}`,
    }),
  };

/** @returns how many rows were exported and deleted */
export async function exportRows(
  db: D1Database,
  rows: ExpiringRows,
  { write, kind, order, named }: TableExport,
  { until, limit }: { until: number; limit: number },
): Promise<number> {
  return await exportPages(write, limit, async (atMost) => {
    const page = await rowsThatAreOver(db, rows, order, { until, limit: atMost });
    const [first] = page;
    if (first === undefined) return null;
    const remove = async () => (await deletionOf(db, rows, page).run()).meta.changes;
    return { kind, ...named(first), rows: page, remove };
  });
}

/** @returns how many executions were exported and deleted, with their runs */
export async function exportExecutions(
  db: D1Database,
  write: Export,
  startedBefore: number,
  limit: number,
): Promise<number> {
  return await exportPages<ExportedExecution>(write, limit, async (atMost) => {
    const rows = await oldExecutions(db, startedBefore, atMost);
    const [first] = rows;
    if (first === undefined) return null;
    const { started_at: at, execution_id: id } = first.execution;
    const named = { day: dayOf(Number(at)), cursor: `${at}-${id}` };
    return { kind: "task-history", ...named, rows, remove: () => deleteTheseExecutions(db, rows) };
  });
}

/**
 * The old days that each page of a roll-up deletes: exported before, if that is set. Without R2
 * they stay, and the roll-up goes on.
 */
export function oldDaysOf(
  env: CronEnv,
  { day, keptFrom, isExported }: { day: string; keptFrom: string; isExported: boolean },
): { next: (limit: number) => Promise<OldDays>; throwFailure: () => void } {
  let failure: unknown = null;
  const next = async (limit: number): Promise<OldDays> => {
    if (!isExported) return { before: keptFrom };
    const rows = failure === null ? await oldDaysOfPage(env.DB, day, keptFrom, limit) : [];
    const [first] = rows;
    if (first === undefined) return { rows };
    try {
      const cursor = `${first["user_id"]} ${first["metric"]}`;
      const page = { kind: "usage-days", day: String(first["day"]), cursor, rows } as const;
      await exportOf(env, isExported)?.(page);
      return { rows };
    } catch (error) {
      failure = error;
      return { rows: [] };
    }
  };
  const throwFailure = (): void => {
    if (failure !== null) throw failure;
  };
  return { next, throwFailure };
}
