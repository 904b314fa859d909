import type { Result } from "../../lib/base/result.ts";
import type { Cache } from "../../lib/cache/index.ts";
import { describeError, log } from "../../lib/worker/log.ts";
import { deleteIntents } from "./purge-intents.ts";

export type PurgePorts = {
  db: D1Database;
  cache: Cache;
  background: (work: Promise<unknown>) => void;
};

/**
 * Writes, and purges what the write makes old, whatever became of it: a batch that was rolled back,
 * or whose reply was lost, purges too. From before the write until the index has the purge, this
 * isolate serves nothing with these tags.
 *
 * @param tags what the write makes old, new names included: "there is no such user" may be cached
 *   under them
 * @param write puts an intent with the id that it gets into its own batch: it delivers the purge if
 *   this cannot
 * @param tagsOf what else the write made old, which only it could tell; served here until it is
 *   purged, as it is elsewhere
 */
export async function purgingAfter<Value, Failure>(
  ports: PurgePorts,
  tags: readonly string[],
  write: (intentId: string) => Promise<Result<Value, Failure>>,
  tagsOf: (written: Value) => readonly string[] = () => [],
): Promise<Result<Value, Failure>> {
  const work = writeAndPurge(ports, tags, write, tagsOf);
  // A caller that goes away must leave neither a write without its purge nor a doubt without its
  // end.
  ports.background(work.catch(() => undefined));
  return await work;
}

async function writeAndPurge<Value, Failure>(
  { db, cache, background }: PurgePorts,
  tags: readonly string[],
  write: (intentId: string) => Promise<Result<Value, Failure>>,
  tagsOf: (written: Value) => readonly string[],
): Promise<Result<Value, Failure>> {
  const intentId = crypto.randomUUID();
  const settle = cache.tags.doubt(tags);
  let written: Result<Value, Failure> | null = null;
  try {
    written = await write(intentId);
    return written;
  } finally {
    const purged = await cache.purge(
      written?.ok ? [...new Set([...tags, ...tagsOf(written.value)])] : tags,
    );
    settle();
    // Of a write with an unknown outcome the batch may still be under way, and its intent with it.
    if (purged.ok && written?.ok) background(deleteIntents(db, [intentId]).catch(logLeftBehind));
  }
}

function logLeftBehind(error: unknown): void {
  log("warn", "cache.intent_left_behind", describeError(error));
}
