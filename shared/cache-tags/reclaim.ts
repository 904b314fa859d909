import { storageKey } from "../cache/keys.ts";
import { deleteKeys, deleteReclaim, nextReclaim, purgedKeys } from "./store.ts";

/** What one run reclaims at most: well within the 1,000 calls that an invocation may make. */
const KEYS_PER_RUN = 500;
/** Connections that an invocation may have open at a time. */
const AT_ONCE = 6;

/**
 * Deletes from KV what was purged, so that it takes no space: a purge only made it worthless. Resumable: a key is forgotten when KV
 * has confirmed that it is gone, and a purge when none of its keys is left. A key that is stored again meanwhile may be deleted
 * too, which costs one miss.
 *
 * @returns how many keys were deleted, and how many KV did not delete; those are tried again
 */
export async function reclaimSome(sql: SqlStorage, kv: KVNamespace, now: number): Promise<{ deleted: number; failures: number }> {
  let [deleted, failures] = [0, 0];
  while (deleted < KEYS_PER_RUN && failures === 0) {
    const reclaim = nextReclaim(sql);
    if (reclaim === null) break;
    const limit = KEYS_PER_RUN - deleted;
    const keys = purgedKeys(sql, reclaim.tag, reclaim.seq, limit);
    const gone = await deleteFrom(kv, keys, now);
    deleteKeys(sql, gone, reclaim.seq);
    deleted += gone.length;
    failures = keys.length - gone.length;
    if (failures === 0 && keys.length < limit) deleteReclaim(sql, reclaim.tag, reclaim.seq);
  }
  return { deleted, failures };
}

/** @returns those that are gone from KV */
async function deleteFrom(kv: KVNamespace, keys: { key: string; expiresAt: number }[], now: number): Promise<string[]> {
  // KV drops by itself what has expired.
  const gone = keys.filter(({ expiresAt }) => expiresAt <= now).map(({ key }) => key);
  const held = keys.filter(({ expiresAt }) => expiresAt > now).map(({ key }) => key);
  for (let start = 0; start < held.length; start += AT_ONCE) {
    const group = held.slice(start, start + AT_ONCE);
    const outcomes = await Promise.allSettled(group.map(async (key) => await kv.delete(await storageKey(key))));
    gone.push(...group.filter((_, n) => outcomes[n]?.status === "fulfilled"));
  }
  return gone;
}
