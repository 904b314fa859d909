import { runBatch } from "../../database/batch.ts";
import type { ExpiringRows } from "../../database/expiring.ts";
import { DAY_MS } from "../../lib/base/clock.ts";
import {
  countStates,
  firstDay,
  fromStored,
  toStored,
  type CountedEmail,
  type CountKind,
  type CountProgress,
  type CountRow,
  type StateCounts,
  type DayState,
  type StoredProgress,
} from "../rules/counts.ts";
import { column, fromJson, pick, selectionOf, type Json } from "./columns.ts";
import { shownOf } from "./emails.ts";
import { recipientsColumn } from "./recipients.ts";

/** SQL of counts of emails by day. */

/** As in `email_counts`: of all tenants together. */
export const ALL_TENANTS = "";

/** What is known of the days that may be counted now. */
export async function knownDays(db: D1Database, now: number): Promise<DayState[]> {
  const { results } = await db
    .prepare(
      `SELECT day, counted_at AS countedAt, progress IS NOT NULL AS isUnderWay
       FROM email_count_days WHERE day >= ?1`,
    )
    .bind(firstDay(now))
    .all<{ day: string; countedAt: number | null; isUnderWay: 0 | 1 }>();
  return results.map((row) => ({ ...row, isUnderWay: row.isUnderWay === 1 }));
}

/** @returns null if no count of the day is under way, or that of another release */
export async function readProgress(db: D1Database, day: string): Promise<CountProgress | null> {
  const text = await db
    .prepare("SELECT progress FROM email_count_days WHERE day = ?1")
    .bind(day)
    .first<Json<StoredProgress> | null>("progress");
  return text === null ? null : fromStored(fromJson(text));
}

const spanOf = (day: string): [from: number, to: number] => {
  const from = Date.parse(`${day}T00:00:00Z`);
  return [from, from + DAY_MS];
};

/**
 * The next tenants of any day, in order: from one to the next by the index. `isActive`: it had
 * emails on that day.
 */
export async function tenantsAfter(
  db: D1Database,
  after: string,
  day: string,
  limit: number,
): Promise<{ tenant: string; isActive: boolean }[]> {
  const { results } = await db
    .prepare(
      `WITH RECURSIVE tenants (tenant) AS (
         SELECT MIN(tenant) FROM emails WHERE tenant > ?1
         UNION ALL
         SELECT (SELECT MIN(e.tenant) FROM emails AS e WHERE e.tenant > t.tenant)
         FROM tenants AS t WHERE t.tenant IS NOT NULL LIMIT ?4)
       SELECT tenant, EXISTS (SELECT 1 FROM emails AS e WHERE e.tenant = t.tenant
           AND e.created_at >= ?2 AND e.created_at < ?3) AS isActive
       FROM tenants AS t WHERE tenant IS NOT NULL`,
    )
    .bind(after, ...spanOf(day), limit)
    .all<{ tenant: string; isActive: 0 | 1 }>();
  return results.map(({ tenant, isActive }) => ({ tenant, isActive: isActive === 1 }));
}

const counted = {
  ...pick("tenant", "id", "status", "tags", "transport", "to"),
  at: column<number>("created_at"),
  sender: column<string>("sender_address"),
};
const fields = selectionOf(counted);
type CountedRow = ReturnType<typeof fields.rows>[number] & {
  recipients: Parameters<typeof shownOf>[0]["recipients"];
};
const list = `${fields.list("e")}, ${recipientsColumn("e")} AS recipients`;

const emailOf = ({
  tenant,
  at,
  id,
  tags,
  sender,
  transport,
  ...row
}: CountedRow): CountedEmail => ({
  tenant,
  at,
  id,
  tags: fromJson(tags),
  sender,
  transport,
  status: shownOf(row).status,
});

/** The next emails of one tenant on a day. */
export async function emailsOfTenant(
  db: D1Database,
  { tenant, after }: Pick<CountProgress, "tenant" | "after">,
  day: string,
  limit: number,
): Promise<CountedEmail[]> {
  const [from, to] = spanOf(day);
  const { results } = await db
    .prepare(
      `SELECT ${list} FROM emails AS e
       WHERE e.tenant = ?1 AND (e.created_at, e.id) > (?2, ?3) AND e.created_at < ?4
       ORDER BY e.created_at, e.id LIMIT ?5`,
    )
    .bind(tenant, after?.at ?? from, after?.id ?? "", to, limit)
    .all<CountedRow>();
  return results.map(emailOf);
}

/**
 * The first emails of several tenants on a day, tenant by tenant: SQLite keeps to the order of a
 * CROSS JOIN, and within a tenant to that of the index.
 *
 * @throws Error if they come in another order: the count would lose some
 */
export async function emailsOfTenants(
  db: D1Database,
  tenants: readonly string[],
  day: string,
  limit: number,
): Promise<CountedEmail[]> {
  const { results } = await db
    .prepare(
      `SELECT ${list} FROM json_each(?1) AS t
       CROSS JOIN emails AS e INDEXED BY emails_by_tenant ON e.tenant = t.value
         AND e.created_at >= ?2 AND e.created_at < ?3 LIMIT ?4`,
    )
    .bind(JSON.stringify(tenants), ...spanOf(day), limit)
    .all<CountedRow>();
  const emails = results.map(emailOf);
  const places = new Map(tenants.map((tenant, place) => [tenant, place]));
  const isBefore = (a: CountedEmail, b: CountedEmail): boolean => {
    const [one, other] = [places.get(a.tenant) ?? 0, places.get(b.tenant) ?? 0];
    if (one !== other) return one < other;
    return a.at !== b.at ? a.at < b.at : a.id < b.id;
  };
  if (emails.some((email, n) => n > 0 && !isBefore(emails[n - 1] ?? email, email)))
    throw new Error("emails were not answered in the order of their tenants");
  return emails;
}

const columns = countStates.join(", ");

/** The counts of some tenants on a day. */
export async function storedCounts(
  db: D1Database,
  tenants: readonly string[],
  day: string,
): Promise<CountRow[]> {
  const { results } = await db
    .prepare(
      `SELECT c.tenant, c.kind, c.name, ${columns} FROM json_each(?1) AS t
       CROSS JOIN email_counts AS c ON c.tenant = t.value
         AND c.kind IN ('day', 'tag', 'sender', 'transport') AND c.day = ?2`,
    )
    .bind(JSON.stringify(tenants), day)
    .all<CountRow>();
  return results;
}

/** Stores what a page has counted and how far the count has come, in one batch. */
export async function saveCounts(
  db: D1Database,
  day: string,
  { changed, gone }: { changed: readonly CountRow[]; gone: readonly CountRow[] },
  { progress, countedAt }: { progress: CountProgress | null; countedAt: number | null },
): Promise<void> {
  const values = ["tenant", "kind", "name", ...countStates].map((one) => `r.value ->> '${one}'`);
  const updated = countStates.map((one) => `${one} = excluded.${one}`).join(", ");
  await runBatch(db, {
    changed: db
      .prepare(
        `INSERT INTO email_counts (day, tenant, kind, name, ${columns})
         SELECT ?2, ${values.join(", ")} FROM json_each(?1) AS r WHERE TRUE
         ON CONFLICT (tenant, kind, day, name) DO UPDATE SET ${updated}`,
      )
      .bind(JSON.stringify(changed), day),
    gone: db
      .prepare(
        `DELETE FROM email_counts WHERE (tenant, kind, day, name) IN (
           SELECT value ->> 'tenant', value ->> 'kind', ?2, value ->> 'name' FROM json_each(?1))`,
      )
      .bind(JSON.stringify(gone), day),
    progress: db
      .prepare(
        `INSERT INTO email_count_days (day, counted_at, progress) VALUES (?1, ?2, ?3)
         ON CONFLICT (day) DO UPDATE SET counted_at = COALESCE(?2, counted_at), progress = ?3`,
      )
      .bind(day, countedAt, progress === null ? null : JSON.stringify(toStored(progress))),
  });
}

export type FoundCount = StateCounts & { day: string; name: string; countedAt: number | null };

/** One page of the counts of a kind, newest day first. */
export async function findCounts(
  db: D1Database,
  of: { tenant: string; kind: CountKind; day: string | null },
  after: { day: string; name: string } | null,
  limit: number,
): Promise<FoundCount[]> {
  const where = [
    "tenant = ?1 AND kind = ?2",
    ...(of.day === null ? [] : ["day = ?3"]),
    ...(after === null ? [] : ["(day, name) < (?4, ?5)"]),
  ];
  const { results } = await db
    .prepare(
      `SELECT day, name, ${columns},
         (SELECT d.counted_at FROM email_count_days AS d
          WHERE d.day = email_counts.day) AS countedAt
       FROM email_counts WHERE ${where.join(" AND ")} 
       ORDER BY day DESC, name DESC LIMIT ?6`,
    )
    .bind(of.tenant, of.kind, of.day, after?.day ?? null, after?.name ?? null, limit)
    .all<FoundCount>();
  return results;
}

const before = "day < strftime('%Y-%m-%d', ?1 / 1000, 'unixepoch')";

/** StateCounts of days before a time. */
export const oldCounts: ExpiringRows = {
  table: "email_counts",
  key: "tenant, kind, day, name",
  isOver: before,
};

/** When days before a time were counted. */
export const oldCountDays: ExpiringRows = { table: "email_count_days", key: "day", isOver: before };
