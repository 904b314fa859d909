import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import type { Processes } from "../processes.ts";

const MIGRATIONS = "migrations";
const program = join(import.meta.dirname, "migrate.ts");

/** A local database, and what decides where it is stored and what is applied to it. */
export type LocalDatabase = {
  stateDir: string;
  /** A configuration that has the database, and nothing that another Worker hosts. */
  config: string;
  /** The folder of the migrations. */
  migrations?: string;
};

/**
 * Whether the local database has all migrations, as far as `noteApplied` has noted it. To ask
 * the database takes seconds.
 */
export function areApplied(database: LocalDatabase): boolean {
  const file = noteIn(database);
  return existsSync(file) && readFileSync(file, "utf8") === digestOf(database);
}

/** Notes that the local database has all migrations. */
export function noteApplied(database: LocalDatabase): void {
  writeFileSync(noteIn(database), digestOf(database));
}

/** @throws Error with what was printed, if it fails */
export async function applyMigrations(
  database: LocalDatabase,
  processes: Processes,
  { env, onLine }: { env: NodeJS.ProcessEnv; onLine: (line: string) => void },
): Promise<void> {
  const lines: string[] = [];
  const args = [program, database.config, database.stateDir];
  const code = await processes.run(process.execPath, args, {
    env,
    onLine(line) {
      lines.push(line);
      onLine(line);
    },
  });
  if (code !== 0) throw new Error(`migrations failed:\n${lines.join("\n")}`);
  noteApplied(database);
}

/** Beside the databases of the local runtime, so that it is gone when they are. */
const noteIn = ({ stateDir }: LocalDatabase): string => join(stateDir, "v3/d1/luna-migrations");

function digestOf({ config, migrations = MIGRATIONS }: LocalDatabase): string {
  const hash = createHash("sha256").update(packageJson.devDependencies.wrangler);
  hash.update(readFileSync(config));
  for (const file of readdirSync(migrations).toSorted())
    hash.update(`\n${file}\n`).update(readFileSync(join(migrations, file)));
  return hash.digest("hex");
}
