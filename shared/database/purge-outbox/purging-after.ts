import type { Result } from "../../lib/base/result.ts";
import type { Cache } from "../../lib/cache/index.ts";
import { describeError, log } from "../../lib/worker/log.ts";
import { deletePurges } from "./pending-purges.ts";

export type PurgePorts = {
  db: D1Database;
  cache: Cache;
  background: (work: Promise<unknown>) => void;
};

/**
 * Writes, and then purges what the write makes old. It also purges after a write that was rolled
 * back or whose reply was lost. From before the write until the index has the purge, this isolate
 * serves nothing with `tags`.
 *
 * @param tags what the write makes old, new names included: "there is no such user" may be cached
 *   under them
 * @param write adds a purge with the id that it gets to the outbox, in its own batch. The sweep
 *   delivers that purge if this function cannot
 * @param tagsOf further tags that only the write can determine. They are served here until they are
 *   purged, as in every other isolate
 * @returns what `write` returns
 * @throws what `write` throws
 */
export async function purgingAfter<Value, Problem>(
  ports: PurgePorts,
  tags: readonly string[],
  write: (purgeId: string) => Promise<Result<Value, Problem>>,
  tagsOf: (written: Value) => readonly string[] = () => [],
): Promise<Result<Value, Problem>> {
  const work = writeAndPurge(ports, tags, write, tagsOf);
  // A caller that goes away must not leave a write without its purge, or a pending invalidation
  // without an end.
  ports.background(work.catch(() => undefined));
  return await work;
}

async function writeAndPurge<Value, Problem>(
  { db, cache, background }: PurgePorts,
  tags: readonly string[],
  write: (purgeId: string) => Promise<Result<Value, Problem>>,
  tagsOf: (written: Value) => readonly string[],
): Promise<Result<Value, Problem>> {
  const purgeId = crypto.randomUUID();
  const endInvalidation = cache.tags.beginInvalidation(tags);
  let written: Result<Value, Problem> | null = null;
  try {
    written = await write(purgeId);
    return written;
  } finally {
    const purged = await cache.purge(
      written?.ok ? [...new Set([...tags, ...tagsOf(written.value)])] : tags,
    );
    endInvalidation();
    // If the outcome is unknown, the batch may still commit, and its purge with it.
    if (purged.ok && written?.ok) background(deletePurges(db, [purgeId]).catch(logLeftBehind));
  }
}

function logLeftBehind(error: unknown): void {
  log("warn", "cache.intent_left_behind", describeError(error));
}
