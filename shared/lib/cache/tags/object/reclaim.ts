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

/** One run looks at so many keys: well within the 1,000 subrequests of an invocation. */
const KEYS_PER_RUN = 500;
/** An invocation may have so many connections open at a time. */
const AT_ONCE = 6;
const TIMEOUT_MS = 5_000;

/**
 * `failures`: keys that KV did not delete. `down`: KV deleted none of the last group, so no further
 * group was tried.
 */
export type Reclaimed = { deleted: number; failures: number; down: boolean };

/**
 * Deletes purged entries from KV, so that they take no space. It resumes where it stopped. A key that
 * KV does not delete is left to its expiry and does not stop the others. A key that is stored again
 * meanwhile may be deleted, too, which costs one miss.
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
      // KV itself drops expired entries.
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
