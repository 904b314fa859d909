import { env } from "cloudflare:workers";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { cases, functionOf } from "./statements/all.ts";
import { readAloneAndAmong, stored, type RowsRead } from "./statements/among.ts";
import { now, ownRows } from "./statements/cases.ts";
import { allowedRows } from "./statements/rows.ts";

/**
 * Each statement reads about as many rows among many of others as it does alone. This also counts
 * what a plan does not show: rows that an index finds and a condition leaves out, triggers, foreign
 * keys. The plans: statement-plans.test.ts.
 */

let rows: Record<string, RowsRead>;
beforeAll(async () => {
  rows = await readAloneAndAmong(
    { now, begin: () => env.DB.batch(ownRows.map((sql) => env.DB.prepare(sql))) },
    cases,
  );
});
afterAll(() => void vi.restoreAllMocks());

it.each(Object.keys(cases))("%s reads as much among many rows as without them", (name) => {
  const { alone, among } = rows[name] ?? { alone: 0, among: Infinity };
  expect(among - alone, `${alone} rows alone, ${among} among many`).toBeLessThanOrEqual(
    allowedRows(functionOf(name), stored),
  );
});
