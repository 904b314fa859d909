import { within } from "../../shared/lib/base/deadline.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { noCounts, type CacheCounts } from "../../shared/lib/cache/index.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { getStub } from "../../shared/lib/worker/placement.ts";
import { TELEMETRY_NAME } from "../../shared/telemetry/rules/rpc.ts";
import { json, type Handler } from "./call.ts";

const OBJECT_TIMEOUT_MS = 2_000;

/**
 * Cache counters of the whole fleet since the first deployment, at most a few seconds old. Rates
 * are of all reads. `errors` are failures of the cache itself: KV, the tag index, corrupt or
 * oversized entries.
 */
export const cacheMetrics: Handler<"cacheMetrics"> = async ({ env }) => {
  // If one does not answer, the other is still shown.
  const [totals, breaker] = await Promise.allSettled([
    within(OBJECT_TIMEOUT_MS, getStub(env.TELEMETRY, TELEMETRY_NAME, env).totals()),
    within(OBJECT_TIMEOUT_MS, getStub(env.CIRCUIT_BREAKER, "cache", env).inspect()),
  ]);
  if (totals.status === "rejected") {
    log("error", "telemetry.unreachable", describeError(totals.reason));
    return fail({ tag: "unavailable", dependency: "telemetry" });
  }
  const { state, failures } =
    breaker.status === "fulfilled" ? breaker.value : { state: "UNREACHABLE", failures: null };
  return json({
    circuitBreakerState: state,
    circuitBreakerFailures: failures,
    ...summary(countsFrom(totals.value)),
  });
};

function countsFrom(totals: Record<string, number>): CacheCounts {
  const counts = noCounts();
  for (const name of Object.keys(counts) as (keyof CacheCounts)[])
    counts[name] = totals[`cache.${name}`] ?? 0;
  return counts;
}

function summary(counts: CacheCounts) {
  const { hitsL1, hitsL2, hitsStale, misses, fallbacks, ...rest } = counts;
  const hits = hitsL1 + hitsL2 + hitsStale;
  const errors = counts.kvErrors + counts.tagIndexErrors + counts.corrupt + counts.tooLarge;
  const reads = hits + misses;
  return {
    hitRate: percent(hits, reads),
    errorRate: percent(errors, reads),
    hits,
    misses,
    errors,
    fallbacks,
    hitsL1,
    hitsL2,
    hitsStale,
    ...rest,
  };
}

function percent(part: number, whole: number): string {
  return `${(whole === 0 ? 0 : (part / whole) * 100).toFixed(1)}%`;
}
