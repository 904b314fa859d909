import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { inject } from "vitest";
import { CountedPlatform } from "../../support/counted-platform.ts";
import { fill } from "./fill.ts";

/** How many rows of others there are in each table: 10,000, or 100,000 in `npm run test:deep`. */
export const stored = inject("stored");

/** What was read: alone, and among the rows of others. */
export type RowsRead = { alone: number; among: number };

/**
 * Runs the same work twice and counts the rows that D1 reads: when it is alone in the database, and
 * among the rows of others.
 *
 * @param begin inserts the rows that the work is about. `now`: when the last of the others was made
 * @param works by name. They run in their order, on what the ones before have changed
 */
export async function readAloneAndAmong<Name extends string>(
  { begin, now }: { begin: () => Promise<unknown>; now: number },
  works: Record<Name, (db: D1Database) => Promise<unknown>>,
): Promise<Record<Name, RowsRead>> {
  const run = async (): Promise<number[]> => {
    const platform = new CountedPlatform();
    const db = platform.database(env.DB);
    const rows: number[] = [];
    for (const work of Object.values<(db: D1Database) => Promise<unknown>>(works)) {
      await work(db);
      rows.push((await platform.take()).d1RowsRead);
    }
    return rows;
  };
  await begin();
  const alone = await run();
  await reset();
  await applyD1Migrations(env.DB, inject("migrations"));
  await begin();
  await fill(env.DB, stored, now);
  const among = await run();
  return Object.fromEntries(
    Object.keys(works).map((name, n) => [name, { alone: alone[n] ?? 0, among: among[n] ?? 0 }]),
  ) as Record<Name, RowsRead>;
}
