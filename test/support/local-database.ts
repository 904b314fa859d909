import { execFile } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

/**
 * Gives a local D1 the tables of today. Wrangler would start a runtime for each migration, so all
 * of them are one file.
 *
 * @param stateDir what `--persist-to` names
 */
export async function migrateLocally(
  stateDir: string,
  config: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const file = join(stateDir, "schema.sql");
  const migrations = readdirSync("migrations").toSorted();
  const texts = migrations.map((name) => readFileSync(join("migrations", name), "utf8"));
  writeFileSync(file, texts.join("\n"));
  const where = ["--local", "--persist-to", stateDir, "-c", config];
  const args = ["d1", "execute", "DB", "--yes", "--file", file, ...where];
  await promisify(execFile)("node_modules/.bin/wrangler", args, { env });
}
