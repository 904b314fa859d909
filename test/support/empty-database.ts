import { reset } from "cloudflare:test";

/**
 * Leaves D1 without a table. `reset` deletes only what an object holds that is in memory, and the
 * object of D1 leaves it after ten seconds without a request, as on a machine under load: so D1 is
 * asked right before, and again until nothing is left.
 */
export async function emptyDatabase(db: D1Database): Promise<void> {
  while (await hasTables(db)) await reset();
}

const hasTables = async (db: D1Database): Promise<boolean> =>
  (await db
    .prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*' LIMIT 1")
    .first()) !== null;
