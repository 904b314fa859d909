import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Something that is broken until it is mended. However this process ends, the system mends it then. */
type Broken = { mend(): Promise<void> };

/** How long whoever writes just now may take to end. */
const LOCK_TIMEOUT_MS = 5_000;

/**
 * Lets every write to a local store fail, as `SQLITE_BUSY`: the runtime keeps each of its stores in SQLite files, and this holds their
 * locks. Nothing is written to them.
 *
 * @param store a folder of the local runtime's state, such as `kv`
 */
export function lockStore(stateDir: string, store: string): Broken {
  const files = readdirSync(join(stateDir, "v3", store), { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".sqlite") && !file.endsWith("metadata.sqlite"),
  );
  if (files.length === 0) throw new Error(`nothing is stored in ${store} yet`);
  const locks: DatabaseSync[] = [];
  const release = (): void => locks.splice(0).forEach((lock) => lock.close());
  try {
    for (const file of files) {
      const lock = new DatabaseSync(join(stateDir, "v3", store, file), { timeout: LOCK_TIMEOUT_MS });
      locks.push(lock);
      lock.exec("BEGIN IMMEDIATE");
    }
  } catch (error) {
    release();
    throw error;
  }
  return { mend: async () => release() };
}
