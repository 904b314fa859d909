import type { Cursor } from "../../http/lists.ts";
import type { SuppressionReason, SuppressionScope } from "../rules/suppressions.ts";
import {
  scopedColumns,
  suppressionFrom,
  wideColumns,
  type StoredSuppression,
  type SuppressionRow,
} from "./suppressions.ts";

/** SQL that goes through suppressions in the order of their times, and deletes many of them. */

/**
 * What an index finds: those of an address, else of a tenant, else of a scope. `tenant`: empty for
 * those of every tenant.
 */
export type IndexedFilter = {
  address?: string | undefined;
  tenant?: string | undefined;
  scope?: SuppressionScope | undefined;
};

/** Ids of `suppressions` are numbers. */
const isWideId = (id: string): boolean => /^\d+$/.test(id);

/** The place of a row in the order by time and id. */
const placeOf = (after: Cursor | null): [number, number | string] =>
  after === null ? [-1, -1] : [after.at, isWideId(after.id) ? Number(after.id) : after.id];

/** One page, oldest first. Of an address, all of the filter's fields may be given. */
export async function findSuppressions(
  db: D1Database,
  { address, tenant, scope }: IndexedFilter,
  after: Cursor | null,
  limit: number,
): Promise<StoredSuppression[]> {
  const values: (number | string)[] = [...placeOf(after), limit];
  const equal = (column: string, value: string | undefined): string =>
    value === undefined ? "" : ` AND ${column} = ?${values.push(value)}`;
  const where = `(created_at, id) > (?1, ?2)${equal("address", address?.toLowerCase())}
    ${equal("scope", scope)}`;
  const wide = `SELECT ${wideColumns} FROM suppressions WHERE ${where}`;
  const scoped = `SELECT ${scopedColumns} FROM scoped_suppressions
    WHERE ${where}${equal("tenant", tenant)}`;
  // Of one tenant, none is for every tenant.
  const tables = (tenant ?? "") === "" ? `${wide} UNION ALL ${scoped}` : scoped;
  const { results } = await db
    .prepare(`${tables} ORDER BY createdAt, id LIMIT ?3`)
    .bind(...values)
    .all<SuppressionRow>();
  return results.map(suppressionFrom);
}

/** Deletes those of a tenant, at most `limit`. @returns how many */
export async function deleteOfTenant(
  db: D1Database,
  tenant: string,
  limit: number,
): Promise<number> {
  const { results } = await db
    .prepare(
      `DELETE FROM scoped_suppressions WHERE id IN (
         SELECT id FROM scoped_suppressions WHERE tenant = ?1 LIMIT ?2) RETURNING id`,
    )
    .bind(tenant, limit)
    .all();
  return results.length;
}

/** Which of them to delete: null for any. `before`: suppressed earlier than that. */
export type Deletable = {
  tenant: string | null;
  scope: SuppressionScope | null;
  reason: SuppressionReason | null;
  before: number | null;
};

/** SQL over both tables, with the values of `Deletable` from `?2` on. */
const isDeletable = (tenant: string): string =>
  `(?2 IS NULL OR ${tenant} = ?2) AND (?3 IS NULL OR scope = ?3)
   AND (?4 IS NULL OR reason = ?4) AND (?5 IS NULL OR created_at < ?5)`;

/**
 * Deletes those of a list that the filter has.
 *
 * @param by what the list has: ids of suppressions, or their addresses
 * @returns how many
 */
export async function deleteListed(
  db: D1Database,
  by: "id" | "address",
  list: readonly string[],
  { tenant, scope, reason, before }: Deletable,
): Promise<number> {
  const among =
    by === "address"
      ? "address IN (SELECT LOWER(value) FROM json_each(?1))"
      : "id IN (SELECT value FROM json_each(?1))";
  const ofWide = by === "address" ? list : list.filter(isWideId).map(Number);
  const ofScoped = by === "address" ? list : list.filter((id) => !isWideId(id));
  const replies = await db.batch([
    db
      .prepare(`DELETE FROM suppressions WHERE ${among} AND ${isDeletable("''")} RETURNING id`)
      .bind(JSON.stringify(ofWide), tenant, scope, reason, before),
    db
      .prepare(
        `DELETE FROM scoped_suppressions WHERE ${among} AND ${isDeletable("tenant")} RETURNING id`,
      )
      .bind(JSON.stringify(ofScoped), tenant, scope, reason, before),
  ]);
  return replies.reduce((sum, { results }) => sum + results.length, 0);
}
