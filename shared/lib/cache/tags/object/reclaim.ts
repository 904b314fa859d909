import { within } from "../../../base/deadline.ts";
import { storageKey } from "../../rules/keys.ts";
import {
  advanceReclaim,
  deleteKeys,
  deleteReclaim,
  keysUnder,
  nextReclaim,
  postponeReclaim,
} from "./stored-tags.ts";

/** What one run looks at, at most: well within the 1,000 calls that an invocation may make. */
const KEYS_PER_RUN = 500;
/** Connections that an invocation may have open at a time. */
const AT_ONCE = 6;
const TIMEOUT_MS = 5_000;

/**
 * `failures`: keys that KV did not delete. `down`: it deleted none of those that were tried last,
 * so that nothing more was tried.
 */
export type Reclaimed = { deleted: number; failures: number; down: boolean };

/**
 * Deletes from KV what was purged, so that it takes no space: a purge only made it worthless.
 * Resumable: a purge remembers how far it has come. A key that KV refuses is left to its expiry,
 * and keeps nothing else; one that is stored again meanwhile may be deleted too, which costs one
 * miss.
 */
export async function reclaimSome(
  sql: SqlStorage,
  kv: KVNamespace,
  now: number,
): Promise<Reclaimed> {
  const total = { deleted: 0, failures: 0, down: false };
  let left = KEYS_PER_RUN;
  for (
    let reclaim = nextReclaim(sql);
    reclaim !== null && left > 0 && !total.down;
    reclaim = nextReclaim(sql)
  ) {
    const keys = keysUnder(sql, reclaim.tag, reclaim.after, Math.min(left, AT_ONCE * AT_ONCE));
    left -= Math.max(keys.length, 1);
    for (let start = 0; start < keys.length && !total.down; start += AT_ONCE) {
      const group = keys.slice(start, start + AT_ONCE);
      const { seq } = reclaim;
      const purged = group.filter((entry) => entry.seq < seq);
      // KV drops by itself what has expired.
      const outcomes = await Promise.allSettled(
        purged.map(async ({ key, expiresAt }) => expiresAt <= now || (await deleteFrom(kv, key))),
      );
      const gone = purged
        .filter((_, n) => outcomes[n]?.status === "fulfilled")
        .map(({ key }) => key);
      deleteKeys(sql, gone, seq);
      total.deleted += gone.length;
      total.failures += purged.length - gone.length;
      total.down = purged.length > 0 && gone.length === 0;
      const last = group.at(-1);
      if (!total.down && last !== undefined) advanceReclaim(sql, reclaim, last.key);
    }
    if (keys.length === 0) deleteReclaim(sql, reclaim);
    if (total.down) postponeReclaim(sql, reclaim);
  }
  return total;
}

async function deleteFrom(kv: KVNamespace, key: string): Promise<true> {
  await within(TIMEOUT_MS, kv.delete(await storageKey(key)));
  return true;
}
