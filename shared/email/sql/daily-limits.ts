import type { ExpiringRows } from "../../database/expiring.ts";
import { DAY_MS } from "../../lib/base/clock.ts";
import { daysSinceEpoch, type DailyLimits } from "../rules/daily-limits.ts";

/** SQL of the emails that tenants may hand in per day. */

/** What emails of one tenant, accepted together, are held to. */
export type HeldTo = { limits: DailyLimits; tenant: string; now: number };

/** In `email_days`: all tenants together. */
const ALL = "";
/** More than a day has. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

const counted = (tenant: string, day: string): string =>
  `COALESCE((SELECT emails FROM email_days WHERE day = ${day} AND tenant = ${tenant}), 0)`;

type Room = { own: string; all: string; values: (string | number)[] };

/**
 * SQL: how many more emails each limit takes today. `values` are bound from `?<first>` on.
 */
export function roomOf({ limits, tenant, now }: HeldTo, first: number): Room {
  const at = (n: number): string => `?${first + n}`;
  return {
    own: `${at(2)} - ${counted(at(0), at(1))}`,
    all: `${at(3)} - ${counted(`'${ALL}'`, at(1))}`,
    values: [tenant, daysSinceEpoch(now), limits.own ?? NO_LIMIT, limits.all ?? NO_LIMIT],
  };
}

/** Counts those of `rows` that were accepted, for each limit that is set. */
export function countAccepted(
  db: D1Database,
  rows: string,
  { limits, tenant, now }: HeldTo,
): D1PreparedStatement {
  const held = [
    { tenant, most: limits.own },
    { tenant: ALL, most: limits.all },
  ].filter(({ most }) => most !== null);
  return db
    .prepare(
      `INSERT INTO email_days (day, tenant, emails, most)
       SELECT ?2, t.value ->> 'tenant', accepted.n, t.value ->> 'most'
       FROM json_each(?3) AS t CROSS JOIN (
         SELECT COUNT(*) AS n FROM json_each(?1) AS m
         JOIN emails AS e ON e.id = m.value ->> 'id') AS accepted
       WHERE accepted.n > 0
       ON CONFLICT (day, tenant) DO UPDATE
         SET emails = emails + excluded.emails, most = excluded.most`,
    )
    .bind(rows, daysSinceEpoch(now), JSON.stringify(held));
}

/** Days that are over. The last two stay, for whom they interest. */
export const oldDays: ExpiringRows = {
  table: "email_days",
  key: "day, tenant",
  isOver: `day < CAST(?1 / ${DAY_MS} AS INTEGER) - 1`,
};
