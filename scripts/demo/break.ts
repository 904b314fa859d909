import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { within } from "../../shared/lib/base/deadline.ts";
import { outageSocket } from "../outages.ts";

/**
 * Something that is broken until it is mended. However this process ends, the system mends it then.
 */
export type Broken = { mend(): Promise<void> };

/** So long the mail server may take to end, and to begin again. */
const MAILBOX_TIMEOUT_MS = 20_000;

/**
 * Lets the mail server of `npm start` die. It stays dead for as long as this connection is held.
 */
export async function killMailbox(stateDir: string): Promise<Broken> {
  const socket = connect({ path: outageSocket(stateDir), allowHalfOpen: true }).setEncoding("utf8");
  let said = "";
  socket.on("data", (text: string) => (said += text));
  const heard = async (word: string): Promise<void> => {
    while (!said.includes(word)) {
      const closed = once(socket, "close").then(() => "closed");
      if ((await Promise.race([once(socket, "data"), closed])) === "closed" && !said.includes(word))
        throw new Error("npm start ended while its mailbox was down");
    }
  };
  const hears = async (word: string): Promise<void> =>
    await within(MAILBOX_TIMEOUT_MS, heard(word));
  await once(socket, "connect");
  await hears("down\n").catch((error: unknown) => {
    socket.destroy();
    throw error;
  });
  let mending: Promise<void> | null = null;
  const mend = async (): Promise<void> => {
    socket.end();
    await hears("up\n");
  };
  return { mend: () => (mending ??= mend()) };
}

/** How long whoever writes just now may take to end. */
const LOCK_TIMEOUT_MS = 5_000;

/**
 * Lets every write to a local store fail, as `SQLITE_BUSY`: the runtime keeps each of its stores in
 * SQLite files, and this holds their locks. Nothing is written to them.
 *
 * @param store a folder of the local runtime's state, such as `kv`
 */
export function lockStore(stateDir: string, store: string): Broken {
  const files = readdirSync(join(stateDir, "v3", store), {
    recursive: true,
    encoding: "utf8",
  }).filter((file) => file.endsWith(".sqlite") && !file.endsWith("metadata.sqlite"));
  if (files.length === 0) throw new Error(`nothing is stored in ${store} yet`);
  const locks: DatabaseSync[] = [];
  const release = (): void => locks.splice(0).forEach((lock) => lock.close());
  try {
    for (const file of files) {
      const lock = new DatabaseSync(join(stateDir, "v3", store, file), {
        timeout: LOCK_TIMEOUT_MS,
      });
      locks.push(lock);
      lock.exec("BEGIN IMMEDIATE");
    }
  } catch (error) {
    release();
    throw error;
  }
  return { mend: async () => release() };
}
