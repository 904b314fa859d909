import { env } from "cloudflare:workers";
import { afterAll, expect } from "vitest";
import { exceptionFor } from "../api/statements/exceptions.ts";
import { wrongSteps } from "../api/statements/plans.ts";
import { originOf } from "../api/statements/record.ts";

/**
 * Asks for the plan of each statement that the code under test sends to D1, with the texts that
 * this file of tests made it build. `test/api/statement-plans.test.ts` runs each place in the
 * sources; a place that joins its text from parts may have others.
 */

/** Of each statement: the functions that were under way when it was made. */
const made = new Map<string, readonly string[]>();

const database = Object.getPrototypeOf(env.DB) as Pick<D1Database, "prepare">;
const { prepare } = database;
database.prepare = function (sql) {
  if (!made.has(sql)) {
    const origin = originOf();
    if (origin !== null) made.set(sql, origin.callers);
  }
  return prepare.call(this, sql);
};

async function planOf(sql: string): Promise<string[]> {
  const numbered = [...sql.matchAll(/\?(\d+)/g)].map(([, n]) => Number(n));
  const values = numbered.length > 0 ? Math.max(...numbered) : sql.split("?").length - 1;
  const { results } = await prepare
    .call(env.DB, `EXPLAIN QUERY PLAN ${sql}`)
    .bind(...Array.from({ length: values }, () => null))
    .all<{ detail: string }>();
  return results.map(({ detail }) => detail);
}

afterAll(async () => {
  // The next file of the isolate has a guard of its own.
  database.prepare = prepare;
  const refused: string[] = [];
  for (const [sql, callers] of made)
    for (const step of wrongSteps(await planOf(sql)))
      if (exceptionFor(callers, step) === undefined) refused.push(`${step}: ${sql}`);
  expect(refused, "steps that read more as tables grow").toEqual([]);
});
