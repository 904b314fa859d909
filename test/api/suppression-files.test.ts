import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { dispatch } from "../../workers/api/dispatch.ts";
import type { ApiEnv } from "../../workers/env.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { call, callWith, deadDatabase, freshBreakers, rowsInAll } from "./support.ts";

const path = "/api/admin/email/suppressions";

beforeEach(async () => {
  await env.DB.batch(
    ["suppressions", "scoped_suppressions"].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
  );
});
afterEach(() => void vi.restoreAllMocks());

const bytes = (text: string): string => String(new TextEncoder().encode(text).byteLength);
const importCsv = (text: string, bindings: Partial<ApiEnv> = {}) =>
  callWith(bindings)("POST", `${path}/import`, text, {
    headers: { "Content-Type": "text/csv", "Content-Length": bytes(text) },
  });
const exportCsv = async (query = ""): Promise<string> =>
  (await call("GET", `${path}/export${query}`, undefined, { text: true })).text;
const listed = async () => (await call("GET", `${path}?limit=100`)).body.items;

/** D1 whose batches fail from the nth one on. */
function failingFrom(nth: number): D1Database {
  let batches = 0;
  const batch: D1Database["batch"] = (statements) => {
    batches += 1;
    return batches < nth ? env.DB.batch(statements) : deadDatabase.batch(statements);
  };
  return { prepare: (sql: string) => env.DB.prepare(sql), batch } as D1Database;
}

describe("an import", () => {
  it("suppresses each address of its list, as its columns state", async () => {
    const csv =
      "\ufeffaddress,note,scope,tenant,reason,createdAt\r\n" +
      'Ada@example.com,"asked, by ""phone""",all,,complaint,2026-01-31T12:00:00Z\r\n' +
      "bob@example.com,,marketing,user:ada,unsubscribe,\r\n" +
      "\r\nÉve@example.com,,,,,\r\n";
    expect((await importCsv(csv)).body).toEqual({
      added: 2,
      alreadySuppressed: 0,
      refused: 1,
      errors: [{ line: 5, path: "address", message: expect.stringContaining("plain email") }],
    });
    expect(await listed()).toMatchObject([
      {
        address: "ada@example.com",
        scope: "all",
        reason: "complaint",
        note: 'asked, by "phone"',
        createdAt: "2026-01-31T12:00:00.000Z",
      },
      {
        address: "bob@example.com",
        scope: "marketing",
        tenant: "user:ada",
        reason: "unsubscribe",
        note: "imported",
      },
    ]);
  });

  it("of addresses alone suppresses for all emails, and a repeat adds nothing", async () => {
    const csv = "address\na@example.com\nb@example.com\nA@example.com\n";
    expect((await importCsv(csv)).body).toMatchObject({ added: 2, alreadySuppressed: 1 });
    expect((await importCsv(csv)).body).toMatchObject({ added: 0, alreadySuppressed: 3 });
    expect(await listed()).toMatchObject([
      { scope: "all", reason: "manual" },
      { scope: "all", reason: "manual" },
    ]);
  });

  it("keeps the time and reason of an address that is suppressed already", async () => {
    const first = (await call("POST", path, { address: "a@example.com", note: "kept" })).body;
    await importCsv("address,reason\na@example.com,bounce\n");
    expect(await listed()).toEqual([first]);
  });

  it("names each wrong line and its field, and imports the others", async () => {
    const future = new Date(Date.now() + 3_600_000).toISOString();
    const csv = [
      "address,scope,createdAt",
      ",all,",
      "a@example.com,some,",
      "b@example.com,all,yesterday",
      `c@example.com,all,${future}`,
      "d@example.com,all",
      "e@example.com,all,",
    ].join("\n");
    const { body } = await importCsv(csv);
    expect(body).toMatchObject({ added: 1, refused: 5 });
    expect(body.errors).toMatchObject([
      { line: 2, path: "address", message: "is missing" },
      { line: 3, path: "scope" },
      { line: 4, path: "createdAt" },
      { line: 5, path: "createdAt", message: "must not be in the future" },
      { line: 6, path: "line" },
    ]);
  });

  it.each([
    ["no line", "", "body"],
    ["a column that there is not", "address,phone\na@example.com,1\n", "line 1"],
    ["a column twice", "address,address\na@example.com,b@example.com\n", "line 1"],
    ["no column of addresses", "note\nhello\n", "line 1"],
    ["a quote without its pair", 'address\n"a@example.com\n', "line 2"],
    ["text that is not UTF-8", "address\n\ufffd@example.com\n", "body"],
    ["more lines than it may", `address\n${"a@example.com\n".repeat(10_001)}`, "line 10002"],
  ])("of a file with %s writes nothing and names the line", async (_, csv, field) => {
    const before = await rowsInAll();
    expect(await importCsv(csv)).toMatchObject({
      status: 422,
      body: { errors: [{ path: field }] },
    });
    expect(await rowsInAll()).toEqual(before);
  });

  it("states from which line on it is to be repeated, if the database fails on the way", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const addresses = Array.from({ length: 1_200 }, (_, n) => `${n}@example.com`);
    const csv = ["address", ...addresses].join("\n");
    expect((await importCsv(csv, { DB: failingFrom(1) })).status).toBe(503);
    expect((await importCsv(csv, { DB: failingFrom(2) })).body).toMatchObject({
      added: 500,
      unfinishedFrom: 502,
    });
    expect((await importCsv(csv)).body).toMatchObject({ added: 700, alreadySuppressed: 500 });
  });
});

describe("an export", () => {
  it("is what an import takes, with each scope, and no cell is a formula", async () => {
    const own = [
      { address: "+a@example.com", note: '=HYPERLINK("x")\nsecond, line' },
      { address: "b@example.com", scope: "marketing" },
      { address: "c@example.com", tenant: "user:ada", note: "'-1" },
    ];
    for (const body of own) await call("POST", path, body);
    const csv = await exportCsv();
    const before = await listed();
    expect(csv.split("\r\n")[0]).toBe("address,scope,tenant,reason,note,createdAt");
    expect(csv).toContain('\'+a@example.com,all,,manual,"\'=HYPERLINK(""x"")');
    expect(await exportCsv("?scope=marketing")).toMatch(/^address[^]*\nb@example.com,[^\n]*\n$/);
    expect(await exportCsv("?tenant=user:ada")).toMatch(/^address[^]*\nc@example.com,[^\n]*\n$/);
    await env.DB.batch(
      ["suppressions", "scoped_suppressions"].map((name) => env.DB.prepare(`DELETE FROM ${name}`)),
    );
    expect((await importCsv(csv)).body).toMatchObject({ added: 3, refused: 0 });
    const noteOf = ({ note = "imported", ...one }) => ({ ...one, note });
    expect(await listed()).toEqual(before.map(noteOf));
  });

  /** Rows of one time, half of them in each table. */
  const fillWith = (rows: number) => {
    const insert = (into: string, values: string) =>
      env.DB.prepare(
        `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT ?1)
         INSERT INTO ${into} SELECT ${values} FROM numbers`,
      ).bind(rows / 2);
    const fields = "address, scope, reason, created_at";
    const values = "n || '@x.example', 'all', 'bounce', 1";
    return env.DB.batch([
      insert(`suppressions (${fields})`, values),
      insert(`scoped_suppressions (id, tenant, ${fields})`, `'s_' || n, 'admin', ${values}`),
    ]);
  };

  it("has each row once, over many pages and with equal times", async () => {
    await fillWith(2_500);
    const lines = (await exportCsv()).trimEnd().split("\r\n");
    expect(lines).toHaveLength(2_501);
    expect(new Set(lines).size).toBe(2_501);
  });

  it("breaks off if the database fails on the way, and never looks whole", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    await fillWith(2_500);
    let reads = 0;
    const DB = {
      batch: env.DB.batch.bind(env.DB),
      prepare: (sql: string) =>
        /UNION ALL/.test(sql) && (reads += 1) > 1 ? deadDatabase.prepare(sql) : env.DB.prepare(sql),
    } as D1Database;
    const request = new Request(`http://luna.test${path}/export`, {
      headers: { Authorization: `Bearer ${ADMIN_TOKEN}` },
    });
    const answer = await dispatch(request, { ...env, CIRCUIT_BREAKER: freshBreakers(), DB });
    expect(answer.status).toBe(200);
    await expect(answer.text()).rejects.toThrow("the export failed");
    const down = await callWith({ DB: deadDatabase })("GET", `${path}/export`);
    expect(down.status).toBe(503);
  });
});
