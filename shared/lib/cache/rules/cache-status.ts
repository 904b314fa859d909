/** How an answer came about, as `Cache-Status` tells it (RFC 9211). */
export type CacheStatus =
  /**
   * From the cache, without asking the origin. `ttlMs` is negative for what is stale and being
   * revalidated.
   */
  | { kind: "hit"; tier: Tier; ttlMs: number }
  /**
   * The origin was asked. `stored`: and its answer is kept. `collapsed`: together with another
   * read.
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
 * `stale`: what is there is too old or was purged. `bypass`: what is there cannot be judged.
 * `request`: the caller wanted it.
 */
export type ForwardReason = "uri-miss" | "stale" | "bypass" | "request";

/**
 * What went wrong on the way. `origin-error`: the origin did not answer, and an older value does.
 * `fallback`: the caller's fallback does. `no-answer`: nothing does.
 */
export type Detail = "origin-error" | "fallback" | "no-answer" | "tags-unreachable" | KvDetail;
export type KvDetail = "kv-error" | "kv-open" | "kv-slow" | "kv-corrupt";

/** The value of the `Cache-Status` field. */
export function cacheStatusField(status: CacheStatus): string {
  switch (status.kind) {
    case "hit": {
      // Rounded down, so that one that is stale by a moment is negative.
      const ttl = Math.floor(status.ttlMs / 1_000);
      return `luna; hit; ttl=${ttl}; detail=${status.tier}`;
    }
    case "forwarded": {
      const { reason, stored, collapsed, detail } = status;
      const parts = [
        "luna",
        `fwd=${reason}`,
        stored && "stored",
        collapsed && "collapsed",
        detail !== undefined && `detail=${detail}`,
      ];
      return parts.filter((part) => part !== false).join("; ");
    }
  }
}
