import type { Cache } from "../cache/read-through.ts";
import { deleteIntents } from "../cache-tags/intents/store.ts";
import type { Result } from "../result.ts";
import { describeError, log } from "../telemetry/log.ts";

export type PurgePorts = { db: D1Database; cache: Cache; background: (work: Promise<unknown>) => void };

/**
 * Writes, and purges what the write makes old, whatever became of it: a batch that was rolled back, or whose reply was lost, purges
 * too. From before the write until the index has the purge, this isolate serves nothing with these tags.
 *
 * @param tags what the write makes old, new names included: "there is no such user" may be cached under them
 * @param write puts an intent with the id that it gets into its own batch: it delivers the purge if this cannot
 */
export async function purgingAfter<Value, Failure>(
  ports: PurgePorts,
  tags: readonly string[],
  write: (intentId: string) => Promise<Result<Value, Failure>>,
): Promise<Result<Value, Failure>> {
  const work = writeAndPurge(ports, tags, write);
  // A caller that goes away must leave neither a write without its purge nor a doubt without its end.
  ports.background(work.catch(() => undefined));
  return await work;
}

async function writeAndPurge<Value, Failure>(
  { db, cache, background }: PurgePorts,
  tags: readonly string[],
  write: (intentId: string) => Promise<Result<Value, Failure>>,
): Promise<Result<Value, Failure>> {
  const intentId = crypto.randomUUID();
  const settle = cache.tags.doubt(tags);
  let written: Result<Value, Failure> | null = null;
  try {
    written = await write(intentId);
    return written;
  } finally {
    const purged = await cache.purge(tags);
    settle();
    // Of a write with an unknown outcome the batch may still be under way, and its intent with it.
    if (purged.ok && written?.ok) background(deleteIntents(db, [intentId]).catch(logLeftBehind));
  }
}

function logLeftBehind(error: unknown): void {
  log("warn", "cache.intent_left_behind", describeError(error));
}
