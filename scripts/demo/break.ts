import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { within } from "../../shared/lib/base/deadline.ts";
import { outageSocket } from "../outages.ts";

/**
 * Something that is broken until it is restored. If this process ends in any way, the system
 * restores it.
 */
export type Broken = { restore(): Promise<void> };

/** The mail server may take this long to stop, and to start again. */
const MAILBOX_TIMEOUT_MS = 20_000;

/** Stops the mail server of `npm start`. It stays down while this connection is open. */
export async function killMailbox(stateDir: string): Promise<Broken> {
  const socket = connect({ path: outageSocket(stateDir), allowHalfOpen: true }).setEncoding("utf8");
  let received = "";
  socket.on("data", (text: string) => (received += text));
  const receive = async (word: string): Promise<void> => {
    while (!received.includes(word)) {
      const closed = once(socket, "close").then(() => "closed");
      if ((await Promise.race([once(socket, "data"), closed])) !== "closed") continue;
      if (!received.includes(word)) throw new Error("npm start ended while its mailbox was down");
    }
  };
  const awaitWord = async (word: string): Promise<void> =>
    await within(MAILBOX_TIMEOUT_MS, receive(word));
  await once(socket, "connect");
  await awaitWord("down\n").catch((error: unknown) => {
    socket.destroy();
    throw error;
  });
  let restoring: Promise<void> | null = null;
  const restore = async (): Promise<void> => {
    socket.end();
    await awaitWord("up\n");
  };
  return { restore: () => (restoring ??= restore()) };
}

/** A write in progress may take this long. */
const LOCK_TIMEOUT_MS = 5_000;

/**
 * Makes every write to a local store fail with `SQLITE_BUSY`: the runtime keeps each store in
 * SQLite files, and this holds their locks without writing to them.
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
  return { restore: async () => release() };
}
