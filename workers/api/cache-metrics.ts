import { within } from "../../shared/lib/base/deadline.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { hitsIn, type CacheCounts } from "../../shared/lib/cache/rules/index.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { getStub } from "../../shared/lib/worker/placement.ts";
import { cacheCountsIn } from "../../shared/telemetry/rules/cache-counts.ts";
import { TELEMETRY_NAME } from "../../shared/telemetry/rules/rpc.ts";
import { json, type Handler } from "./call.ts";

const OBJECT_TIMEOUT_MS = 2_000;

/**
 * Cache counters of the whole fleet since the first deployment, at most a few seconds old. Rates
 * are of all reads. `errors` are failures of the cache itself: KV, the tag index, and entries that
 * are corrupt, oversized or unstorable.
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
    ...summary(cacheCountsIn(totals.value)),
  });
};

function summary(counts: CacheCounts) {
  const { hitsL1, hitsL2, hitsStale, misses, fallbacks, ...rest } = counts;
  const hits = hitsIn(counts);
  const errors =
    counts.kvErrors + counts.tagIndexErrors + counts.corrupt + counts.tooLarge + counts.unstorable;
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
