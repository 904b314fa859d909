import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { inject } from "vitest";
import { CountedPlatform } from "../../support/counted-platform.ts";
import { emptyStorage } from "../../support/fresh-storage.ts";
import { fill } from "./fill.ts";

/** Emails of others: 10,000, or 100,000 and a million in `npm run test:deep`. */
const stored = inject("stored");

/** What was read: alone, and among so many emails and other rows of others. */
export type RowsRead = { alone: number; among: { emails: number; rows: number }[] };

/** By so many rows may differ what is read among a million emails and among 100,000. */
const SLACK_ROWS = 60;

/**
 * Runs the same work several times and counts the rows that D1 reads: when it is alone in the
 * database, and among the rows of others.
 *
 * @param begin inserts the rows that the work is about. `now`: when the last of the others was made
 * @param works by name. They run in their order, on what the ones before have changed
 */
export async function readAloneAndAmong<Name extends string>(
  { begin, now }: { begin: () => Promise<unknown>; now: number },
  works: Record<Name, (db: D1Database) => Promise<unknown>>,
): Promise<Record<Name, RowsRead>> {
  const run = async (emails: number): Promise<number[]> => {
    await emptyStorage();
    await applyD1Migrations(env.DB, inject("migrations"));
    await begin();
    if (emails > 0) await fill(env.DB, emails, now);
    const platform = new CountedPlatform();
    const db = platform.database(env.DB);
    const rows: number[] = [];
    for (const work of Object.values<(db: D1Database) => Promise<unknown>>(works)) {
      await work(db);
      rows.push((await platform.take()).d1RowsRead);
    }
    return rows;
  };
  const alone = await run(0);
  const among: { emails: number; rows: number[] }[] = [];
  for (const emails of stored) among.push({ emails, rows: await run(emails) });
  return Object.fromEntries(
    Object.keys(works).map((name, n) => [
      name,
      {
        alone: alone[n] ?? 0,
        among: among.map(({ emails, rows }) => ({ emails, rows: rows[n] ?? Infinity })),
      },
    ]),
  ) as Record<Name, RowsRead>;
}

/**
 * Why what was read grows with what is stored; null if it does not.
 *
 * @param allowed how many more rows among so many emails than alone
 * @param isCapped its bound is a cap that it may not reach among few emails, as a page of a task
 */
export function growthOf(
  { alone, among }: RowsRead,
  allowed: (emails: number) => number,
  isCapped = false,
): string | null {
  const [first] = among;
  const flat = 1.1 * (first?.rows ?? 0) + SLACK_ROWS;
  const grows = among.some(({ emails, rows }) => {
    const isFlat = !isCapped && allowed(emails) === allowed(first?.emails ?? emails);
    return rows - alone > allowed(emails) || (isFlat && rows > flat);
  });
  const shown = among.map(({ emails, rows }) => `${rows} among ${emails}`).join(", ");
  return grows ? `${alone} rows alone, ${shown}` : null;
}

/** The rows read side by side, for a log. */
export function sideBySide(all: Record<string, RowsRead>): string {
  const lines = Object.entries(all).map(
    ([name, { alone, among }]) =>
      [alone, ...among.map(({ rows }) => rows)].map((rows) => String(rows).padStart(9)).join("") +
      `  ${name}`,
  );
  const heads = [0, ...stored].map((emails) => String(emails).padStart(9)).join("");
  return [`${heads}  rows read among so many emails`, ...lines].join("\n");
}
