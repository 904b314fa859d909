import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, expect, inject, it } from "vitest";
import { emptyStorage } from "../support/fresh-storage.ts";
import { fill } from "./statements/fill.ts";

/**
 * A migration runs while D1 answers nobody, and D1 ends a query after 30 s. So it reads and writes
 * a bounded number of rows, however many are stored: it makes no large table again. An index that
 * it adds reads its table once, which takes five seconds for a million emails.
 */

const migrations = inject("migrations");
/** The last that may make a large table again. The deployment refuses it above 300,000 emails. */
const SHAPE = "0020";
/** 5,000 emails of others; a million in `npm run test:deep`. */
const EMAILS = inject("stored").length > 1 ? 1_000_000 : 5_000;
/**
 * Fewer than any large table has, and than D1 reads and writes in a second. Each new column reads
 * the schema, which has some 250 rows.
 */
const MAX_ROWS = EMAILS > 100_000 ? 50_000 : 2_000;
/**
 * Of a migration that limits its own rows: the newest 10,000 dead letters, seven rows for each; the
 * newest 10,000 emails, four for each.
 */
const limited: Record<string, number> = {
  "0034_dead_letter_filters.sql": 80_000,
  "0044_email_search.sql": 60_000,
};

beforeEach(async () => {
  await emptyStorage();
  await applyD1Migrations(
    env.DB,
    migrations.filter(({ name }) => name.slice(0, 4) <= SHAPE),
  );
  await fill(env.DB, EMAILS, Date.now());
});

/** How many rows D1 reads and writes for a migration, except for the entries of a new index. */
async function rowsOf(queries: readonly string[]): Promise<number> {
  let rows = 0;
  for (const sql of queries) {
    const { meta } = await env.DB.prepare(sql).run();
    const bare = sql.replaceAll(/^\s*--.*$/gm, "").trim();
    if (!/^(CREATE (UNIQUE )?INDEX|DROP INDEX)/i.test(bare))
      rows += meta.rows_read + meta.rows_written;
  }
  return rows;
}

it("each migration after the emails' shape reads and writes a bounded number of rows", async () => {
  const later = migrations.filter(({ name }) => name.slice(0, 4) > SHAPE);
  expect(later.length).toBeGreaterThan(0);
  const wrong: string[] = [];
  for (const { name, queries } of later) {
    const rows = await rowsOf(queries);
    if (rows > (limited[name] ?? MAX_ROWS)) wrong.push(`${name}: ${rows} rows`);
  }
  expect(wrong).toEqual([]);
});

it.each([
  ["copies a table", ["CREATE TABLE n AS SELECT * FROM users"]],
  ["changes every row", ["UPDATE audit_log SET path = '/'"]],
  ["drops a column", ["ALTER TABLE emails DROP COLUMN rings"]],
  ["looks at every row", ["DELETE FROM emails WHERE subject = 'of nobody'"]],
])("one that %s would be noticed", async (_, queries) => {
  expect(await rowsOf(queries)).toBeGreaterThan(MAX_ROWS);
});

/** After ten seconds without a request an object leaves memory. No condition shows that it has. */
const IDLE_MS = 11_000;

it("the storage is emptied also if it was idle, as on a machine under load", async () => {
  await scheduler.wait(IDLE_MS);
  await emptyStorage();
  const emails = env.DB.prepare("SELECT name FROM sqlite_master WHERE name = 'emails'");
  expect(await emails.first()).toBe(null);
});
