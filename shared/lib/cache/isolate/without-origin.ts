import { describeError, log } from "../../worker/log.ts";
import type { CacheStatus } from "../rules/cache-status.ts";
import { freshForMs, type Entry } from "../rules/entry.ts";
import type { CacheFailure, CacheRead } from "../rules/read.ts";
import { freshnessOf } from "./entry-freshness.ts";
import type { LoadPorts, Read } from "./load.ts";

export type Forwarded = Omit<CacheStatus & { kind: "forwarded" }, "stored">;

/**
 * Answers a read whose load failed or timed out: with an older value, then with the fallback, then
 * with the error.
 *
 * @param given `candidates`: older entries, best first
 */
export function withoutOrigin<Value, Problem>(
  ports: Pick<LoadPorts, "countsOf" | "clock" | "tags">,
  read: Read<Value, Problem>,
  given: {
    key: string;
    error: Problem | CacheFailure;
    candidates: readonly (Entry | null)[];
    forwarded: Forwarded;
  },
): CacheRead<Value, Problem> {
  const { key, error, candidates, forwarded } = given;
  const counts = ports.countsOf(key);
  counts.misses += 1;
  const stale = read.consistency === "stale-ok" ? servable(ports, read, candidates) : null;
  if (stale !== null) {
    counts.staleOnError += 1;
    const status = {
      ...forwarded,
      reason: "stale",
      stored: false,
      detail: "origin-error",
    } as const;
    return { ok: true, value: stale.value as Value, status };
  }
  const fallback = read.fallback === undefined ? null : callFallback(read.fallback);
  if (fallback !== null) {
    counts.fallbacks += 1;
    return {
      ok: true,
      value: fallback.value,
      status: { ...forwarded, stored: false, detail: "fallback" },
    };
  }
  counts.unanswered += 1;
  return { ok: false, error, status: { ...forwarded, stored: false, detail: "no-answer" } };
}

/** The first candidate that was not purged and whose grace after its life is not over. */
function servable<Value, Problem>(
  { clock, tags }: Pick<LoadPorts, "clock" | "tags">,
  read: Read<Value, Problem>,
  candidates: readonly (Entry | null)[],
): Entry | null {
  const now = clock.now();
  for (const entry of candidates) {
    if (entry === null || entry.value === null) continue;
    const freshness = freshnessOf(entry, tags.view, read.tags);
    if (freshness !== "fresh" && freshness !== "stale") continue;
    // Jitter shortens a life, but not the grace after it.
    const lifeMs = Math.max(entry.ttlMs, read.ttlMs);
    if (freshForMs(entry, now) + (lifeMs - entry.ttlMs) + read.staleIfErrorMs > 0) return entry;
  }
  return null;
}

function callFallback<Value>(fallback: () => Value): { value: Value } | null {
  try {
    return { value: fallback() };
  } catch (error) {
    log("error", "cache.fallback_failed", describeError(error));
    return null;
  }
}
