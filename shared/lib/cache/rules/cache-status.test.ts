import { describe, expect, it } from "vitest";
import { cacheStatusField, type CacheStatus } from "./cache-status.ts";

describe("Cache-Status", () => {
  it.each<[CacheStatus, string]>([
    [{ kind: "hit", tier: "l1", ttlMs: 212_999 }, "luna; hit; ttl=212; detail=l1"],
    [{ kind: "hit", tier: "l2", ttlMs: 0 }, "luna; hit; ttl=0; detail=l2"],
    [{ kind: "hit", tier: "l1", ttlMs: -1 }, "luna; hit; ttl=-1; detail=l1"],
    [
      { kind: "forwarded", reason: "uri-miss", stored: true, collapsed: false },
      "luna; fwd=uri-miss; stored",
    ],
    [
      { kind: "forwarded", reason: "stale", stored: true, collapsed: true },
      "luna; fwd=stale; stored; collapsed",
    ],
    [
      {
        kind: "forwarded",
        reason: "stale",
        stored: false,
        collapsed: false,
        detail: "origin-error",
      },
      "luna; fwd=stale; detail=origin-error",
    ],
  ])("of %j is %s", (status, field) => expect(cacheStatusField(status, "luna")).toBe(field));
});
