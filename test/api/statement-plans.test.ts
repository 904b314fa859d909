import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operations } from "../../shared/contract/operations.ts";
import { cases } from "./statements/all.ts";
import { now, ownRows } from "./statements/cases.ts";
import { exceptionFor, exceptions } from "./statements/exceptions.ts";
import { fill } from "./statements/fill.ts";
import { lists, listsElsewhere } from "./statements/lists.ts";
import { objectCases } from "./statements/objects.ts";
import { wrongSteps } from "./statements/plans.ts";
import { recordOf, recordOfObject, type Statement } from "./statements/record.ts";

/**
 * No statement reads more as its tables grow: each finds its rows by an index, in the order that it
 * wants. This is read from the plans that workerd's SQLite makes on the schema of the migrations,
 * with and without statistics. What it cannot show, `statement-rows.test.ts` counts.
 */

const FILLED = 2_000;

const recorded = new Map<string, Statement[]>();
const used = new Set<(typeof exceptions)[number]>();

beforeAll(async () => {
  await env.DB.batch(ownRows.map((sql) => env.DB.prepare(sql)));
  for (const [name, run] of Object.entries(cases)) recorded.set(name, await recordOf(env.DB, run));
});

async function planOf({ sql, values }: Statement): Promise<string[]> {
  const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .bind(...values)
    .all<{ detail: string }>();
  return results.map(({ detail }) => detail);
}

/** The wrong steps that no exception allows. */
function refused({ callers }: Statement, plan: string[]): string[] {
  return wrongSteps(plan).filter((step) => {
    const exception = exceptionFor(callers, step);
    if (exception !== undefined) used.add(exception);
    return exception === undefined;
  });
}

describe.each([
  { statistics: "without statistics", prepare: async () => undefined },
  {
    statistics: "with statistics",
    prepare: async () => {
      await fill(env.DB, FILLED, now);
      await env.DB.prepare("ANALYZE").run();
    },
  },
])("$statistics", ({ prepare }) => {
  beforeAll(prepare);

  it.each(Object.keys(cases))("%s reads no more as its tables grow", async (name) => {
    const found: string[] = [];
    for (const statement of recorded.get(name) ?? [])
      found.push(...refused(statement, await planOf(statement)));
    expect(found).toEqual([]);
  });

  it.each(lists)("$operation by $by has an index for each filter", async ({ by, run }) => {
    const [first] = await recordOf(env.DB, run);
    const plan = first === undefined ? [] : await planOf(first);
    const step = plan.find((one) => one.includes(" USING ")) ?? "";
    expect(await filtersServed(step), step).toBeGreaterThanOrEqual(by.length);
  });
});

/**
 * How many filters a step finds by its index: columns that are compared, and one that a partial
 * index is limited to.
 */
async function filtersServed(step: string): Promise<number> {
  const [, index = ""] = /USING (?:COVERING )?INDEX (\w+)/.exec(step) ?? [];
  const sql = await env.DB.prepare("SELECT sql FROM sqlite_master WHERE name = ?1")
    .bind(index)
    .first<string>("sql");
  return [...step.matchAll(/=\?/g)].length + (/ WHERE \w+ = '/.test(sql ?? "") ? 1 : 0);
}

describe("in the storage of an object", () => {
  const found = new Map<string, string[]>();

  beforeAll(async () => {
    await runInDurableObject(env.TELEMETRY.getByName("plans"), (_, { storage: { sql } }) => {
      const planIn = ({ sql: text, values }: Statement): string[] =>
        sql
          .exec<{ detail: string }>(`EXPLAIN QUERY PLAN ${text}`, ...(values as SqlStorageValue[]))
          .toArray()
          .map(({ detail }) => detail);
      for (const [name, work] of Object.entries(objectCases)) {
        const statements = recordOfObject(sql, work);
        recorded.set(name, statements);
        const asked = statements.filter((one) => !one.sql.trim().startsWith("CREATE"));
        found.set(
          name,
          asked.flatMap((one) => refused(one, planIn(one))),
        );
      }
    });
  });

  it.each(Object.keys(objectCases))("%s reads no more as its tables grow", (name) => {
    expect(found.get(name)).toEqual([]);
  });
});

it("every place in the sources that has a statement is run here", () => {
  const sources = import.meta.glob(
    ["../../shared/**/*.ts", "../../workers/**/*.ts", "!../../**/*.test.ts"],
    { query: "?raw", import: "default", eager: true },
  );
  const seen = Map.groupBy([...recorded.values()].flat(), ({ file }) => file);
  const differing = Object.entries(sources).flatMap(([path, text]) => {
    const file = path.replace("../../", "");
    const places = text.match(/\.prepare\(|\bsql\s*\.exec\b/g)?.length ?? 0;
    const run = new Set(seen.get(file)?.map(({ place }) => place)).size;
    return places === run ? [] : [`${file} has ${places} places, of which ${run} were run`];
  });
  expect(differing).toEqual([]);
});

it("every list of the API is looked at here, by each of its filters", () => {
  const unseen = operations
    .filter(({ id }) => !listsElsewhere.has(id))
    .flatMap(({ id, query }) => {
      const filters =
        query !== undefined && "entries" in query ? Object.keys(query.entries as object) : [];
      if (!filters.includes("limit")) return [];
      const ofThis = lists.filter(({ operation }) => operation === id);
      const seen = new Set(
        ofThis.flatMap(({ by, walks = [] }) => [
          "",
          ...walks,
          ...by.map((name) => name.split(" ")[0]),
        ]),
      );
      const wanted = ["", ...filters.filter((name) => !["limit", "cursor", "by"].includes(name))];
      return wanted.filter((name) => !seen.has(name)).map((name) => `${id} ${name}`);
    });
  expect(unseen).toEqual([]);
});

afterAll(() => {
  const unused = exceptions.filter((one) => !used.has(one));
  expect(unused, "exceptions that no statement needs").toEqual([]);
});
