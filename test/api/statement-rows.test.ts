import { env } from "cloudflare:workers";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { cases } from "./statements/all.ts";
import { growthOf, readAloneAndAmong, sideBySide, type RowsRead } from "./statements/among.ts";
import { now, ownRows } from "./statements/cases.ts";
import { allowedRows, hasCap } from "./statements/rows.ts";

/**
 * Each statement reads about as many rows among many of others as it does alone, and among a
 * million emails as many as among 100,000 (`npm run test:deep`). This also counts what a plan does
 * not show: rows that an index finds and a condition leaves out, triggers, foreign keys. The plans:
 * statement-plans.test.ts.
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
  const read = rows[name];
  expect(
    read === undefined ? "not run" : growthOf(read, allowedRows(name), hasCap(name)),
  ).toBeNull();
});

/** `npx vitest run --reporter=verbose` shows them. */
it("the rows read stand side by side", async ({ annotate }) => {
  expect(Object.keys(rows)).toEqual(Object.keys(cases));
  await annotate(sideBySide(rows));
});
