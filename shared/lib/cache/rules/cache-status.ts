/** How a read was answered, in the terms of `Cache-Status` (RFC 9211). */
export type CacheStatus =
  /** From the cache. `ttlMs` is negative for a stale value that is being revalidated. */
  | { kind: "hit"; tier: Tier; ttlMs: number }
  /**
   * The origin was asked. `stored`: the cache keeps its answer. `collapsed`: the load was shared
   * with another read.
   */
  | {
      kind: "forwarded";
      reason: ForwardReason;
      stored: boolean;
      collapsed: boolean;
      detail?: Detail;
    };

/** Memory of the isolate, or KV. */
export type Tier = "l1" | "l2";

/**
 * `stale`: the cached value is too old or was purged. `bypass`: its freshness is unknown.
 * `request`: the caller asked for it.
 */
export type ForwardReason = "uri-miss" | "stale" | "bypass" | "request";

/**
 * What went wrong. `origin-error`: the origin failed, and an older value was served. `fallback`:
 * the caller's fallback was served. `no-answer`: the read failed.
 */
export type Detail = "origin-error" | "fallback" | "no-answer" | "tags-unreachable" | KvDetail;
export type KvDetail = "kv-error" | "kv-open" | "kv-slow" | KvUnusable;
/** `kv-foreign`: KV held an entry of another release or Worker, which was left alone. */
type KvUnusable = "kv-corrupt" | "kv-foreign";

/**
 * The value of the `Cache-Status` field (RFC 9211).
 *
 * @param cacheName the name of this cache in the field: a token
 */
export function cacheStatusField(status: CacheStatus, cacheName: string): string {
  switch (status.kind) {
    case "hit": {
      // Rounded down, so that a value that has just expired is negative.
      const ttl = Math.floor(status.ttlMs / 1_000);
      return `${cacheName}; hit; ttl=${ttl}; detail=${status.tier}`;
    }
    case "forwarded": {
      const { reason, stored, collapsed, detail } = status;
      const parts = [
        cacheName,
        `fwd=${reason}`,
        stored && "stored",
        collapsed && "collapsed",
        detail !== undefined && `detail=${detail}`,
      ];
      return parts.filter((part) => part !== false).join("; ");
    }
  }
}
