/**
 * Applies the migrations to a local database: `node migrate.ts <configuration> <state directory>`.
 * It does what `wrangler d1 migrations apply --local` does, which starts a runtime for each of
 * them; this starts one.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { getPlatformProxy, unstable_splitSqlQuery } from "wrangler";

const MIGRATIONS = "migrations";
/** As Wrangler makes it. */
const TABLE = `CREATE TABLE IF NOT EXISTS d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;

async function apply(db: D1Database): Promise<void> {
  await db.prepare(TABLE).run();
  const { results } = await db.prepare("SELECT name FROM d1_migrations").all<{ name: string }>();
  const applied = new Set(results.map(({ name }) => name));
  const files = readdirSync(MIGRATIONS).filter((name) => name.endsWith(".sql"));
  for (const name of files.toSorted()) {
    if (applied.has(name)) continue;
    const statements = unstable_splitSqlQuery(readFileSync(join(MIGRATIONS, name), "utf8"));
    try {
      await db.batch([
        ...statements.map((statement) => db.prepare(statement)),
        db.prepare("INSERT INTO d1_migrations (name) VALUES (?1)").bind(name),
      ]);
    } catch (error) {
      throw new Error(`${name}: ${String(error)}`, { cause: error });
    }
  }
}

const [configPath = "", stateDir = ""] = process.argv.slice(2);
const proxy = await getPlatformProxy<{ DB: D1Database }>({
  configPath,
  persist: { path: join(stateDir, "v3") },
  remoteBindings: false,
});
try {
  await apply(proxy.env.DB);
} finally {
  await proxy.dispose();
}
