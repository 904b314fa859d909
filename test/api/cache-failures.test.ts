import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import page from "../../docs/explain/cache-failures.md?raw";
import { eventually } from "../support/eventually.ts";
import { faultsOf, faultyBindings, type Faults, type Part } from "../support/faults.ts";
import { ungrouped } from "../support/grouped-rows.ts";
import type { Answer } from "../support/http.ts";
import { callWith, freshBreakers } from "./support.ts";

/**
 * The failure matrix of docs/explain/cache-failures.md, as it stands there: each row is a part, or
 * two, that fail; each column what the isolate has by then. Every cell is a read of a user through
 * the whole Worker, on the real KV, D1 and objects wherever they are up.
 */

const SECOND = 1_000;
/** How long after it was read the value is read again, by column. */
const columns = {
  "fresh in memory": 0,
  "fresh in memory, idle since": 10 * SECOND,
  "expired in memory": 400 * SECOND,
  "only in KV": 10 * SECOND,
  nowhere: 10 * SECOND,
  "purged just now": 0,
  "its permissions, idle since": 10 * SECOND,
} as const;
type Column = keyof typeof columns;

const parts = Object.keys(faultsOf) as Part[];
const singles = parts.flatMap((part) => faultsOf[part].map((how): Faults => ({ [part]: how })));
const pairs = singles
  .flatMap((one, n) => singles.slice(n + 1).map((other): Faults => ({ ...one, ...other })))
  .filter((both) => Object.keys(both).length === 2);
const nameOf = (faults: Faults): string =>
  parts
    .flatMap((part) => (faults[part] === undefined ? [] : [`${part} ${faults[part]}`]))
    .join(" + ") || "nothing";

/** Rows of the page's table by their first cell. */
const documented = new Map(
  ungrouped(page, /^\| (?!Fails)/, 0).map(([name = "", ...cells]) => [
    name,
    cells.map((cell) => cell.trim()),
  ]),
);

/** A cell: what the answer is, without the seconds. */
function cellOf({ status, headers, body }: Answer, current: string, purged: boolean): string {
  const how = (headers.get("Cache-Status") ?? "no Cache-Status")
    .replace("luna; ", "")
    .replaceAll(/ttl=-?\d+; /g, "");
  if (status === 503)
    return Number(headers.get("Retry-After")) > 0 ? "503" : "503 without Retry-After";
  if (status !== 200) return `${status}`;
  const tier = (body.user ?? body).tier as string;
  if (purged && tier !== current) return "PURGED DATA";
  return how;
}

type Case = { faults: Faults; column: Column; run: () => Promise<string> };
let users = 0;

const AT_ONCE = 20;
const waits = ({ faults }: Case): boolean =>
  faults.D1 === "hanging" || faults.KV === "slow" || faults["tag index"] === "hanging";

/** Brings an isolate into the state of a column. What it returns reads, once the parts fail. */
async function prepare(failing: Faults, column: Column): Promise<Case> {
  let faults: Faults = {};
  const faulty = faultyBindings({ ...env, CIRCUIT_BREAKER: freshBreakers() }, () => faults);
  // A read gives KV a second. With retries it would depend on the machine whether all of them fail
  // within it.
  const bindings = { ...faulty, CACHE_MAX_RETRIES: "0" };
  const api = callWith(bindings);
  const userId = `matrix-${(users += 1)}`;
  const path =
    column === "its permissions, idle since"
      ? `/api/users/${userId}/permissions`
      : `/api/users/${userId}`;
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO users
         (user_id, email, tier, api_key_hash, api_key_prefix, created_at, updated_at)
       VALUES (?1, ?1 || '@x.y', 'free', ?1, 'luna_', 0, 0)`,
    ).bind(userId),
  ]);
  // The first read waits for the breaker's first answer; the isolate under test has had it.
  await api("GET", `/api/users/warm-up-${users}`);
  if (column === "only in KV") {
    await callWith({
      CACHE_TAG_INDEX: {
        getByName: (name: string) => env.CACHE_TAG_INDEX.getByName(name),
      } as typeof env.CACHE_TAG_INDEX,
    })("GET", path);
    await eventually(async () => expect(await env.CACHE.get(`user:${userId}`)).not.toBeNull());
  } else if (column !== "nowhere") {
    await api("GET", path);
    await eventually(async () =>
      expect(
        await env.CACHE.get(path.replace("/api/users/", "user:").replace("/", ":")),
      ).not.toBeNull(),
    );
  }
  const purged = column === "purged just now";
  return {
    faults: failing,
    column,
    run: async () => {
      // To prepare all of this takes longer than the bound.
      if (columns[column] === 0) await api("GET", path);
      if (purged) {
        await env.DB.prepare("UPDATE users SET tier = 'pro' WHERE user_id = ?1").bind(userId).run();
        await api("POST", "/api/admin/cache/invalidate", { userId });
      }
      faults = failing;
      return cellOf(await api("GET", path), "pro", purged);
    },
  };
}

describe("the failure matrix", () => {
  const rows = [{}, ...singles, ...pairs];
  const measured = new Map<string, Map<Column, string>>();

  beforeAll(async () => {
    for (const level of ["warn", "error", "info"] as const)
      vi.spyOn(console, level).mockReturnValue();
    const cases: Case[] = [];
    for (const faults of rows)
      cases.push(
        ...(await Promise.all(
          (Object.keys(columns) as Column[]).map((column) => prepare(faults, column)),
        )),
      );
    const start = Date.now();
    vi.useFakeTimers({ toFake: ["Date"], now: start });
    const measure = async ({ faults, column, run }: Case): Promise<void> => {
      const cell = await run();
      const row = measured.get(nameOf(faults)) ?? new Map<Column, string>();
      measured.set(nameOf(faults), row.set(column, cell));
    };
    for (const offset of new Set(Object.values(columns).toSorted((a, b) => a - b))) {
      vi.setSystemTime(start + offset);
      const due = cases.filter(({ column }) => columns[column] === offset);
      // Those that wait do so together; the others a few at a time, so that what is up answers in
      // time on a busy machine.
      const [waiting, working] = [due.filter(waits), due.filter((one) => !waits(one))];
      await Promise.all(waiting.map(measure));
      for (let first = 0; first < working.length; first += AT_ONCE)
        await Promise.all(working.slice(first, first + AT_ONCE).map(measure));
    }
  });
  afterAll(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it("has a row for each part that fails, and for each pair", () => {
    expect([...documented.keys()].toSorted()).toEqual(rows.map(nameOf).toSorted());
  });

  it.each(rows.map((faults) => nameOf(faults)))("is what happens while this fails: %s", (name) => {
    const cells = (Object.keys(columns) as Column[]).map((column) =>
      measured.get(name)?.get(column),
    );
    expect(`| ${name} | ${cells.join(" | ")} |`).toBe(
      `| ${name} | ${documented.get(name)?.join(" | ")} |`,
    );
  });

  it("has no answer but 200 and 503, and no purged data", () => {
    const cells = new Set([...measured.values()].flatMap((row) => [...row.values()]));
    for (const cell of cells) expect(cell).toMatch(/^(503$|hit|fwd)/);
  });
});
