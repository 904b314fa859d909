import { within } from "../lib/base/deadline.ts";
import type { BreakerStanding } from "../lib/circuit-breaker/index.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { getStub } from "../lib/worker/placement.ts";
import { valueOrThrow } from "../lib/worker/validate.ts";
import type { TelemetryEnv } from "../telemetry/isolate.ts";
import { isBreakerName } from "../telemetry/rules/breaker-registry.ts";
import { TELEMETRY_NAME, type BreakerRegistry } from "../telemetry/rules/rpc.ts";
import { isDependency } from "./dependencies.ts";

/**
 * The circuit breakers that other Workers use beside Luna's own, such as `prices` of the
 * storefront.
 *
 * Each breaker announces itself when it changes, and the object `Telemetry` keeps what it announced
 * last. So one request reads all of them, however many there are: `/health`, `/metrics`, alerts and
 * the console wake no breaker, and no breaker that hangs delays them. The price is that the counts
 * of the window are not in the list; the object of one breaker has them. What is read may be older
 * than the breaker by the time of one announcement. While `Telemetry` does not answer, breakers
 * announce themselves again later, and readers show that the list was not read.
 */

const TIMEOUT_MS = 1_000;

/**
 * Stores the standing of a breaker that Luna does not itself use.
 *
 * @throws if it was not stored
 */
export async function announceBreaker(env: TelemetryEnv, standing: BreakerStanding): Promise<void> {
  if (isDependency(standing.name)) return;
  const name = isBreakerName(standing.name) ? standing.name : null;
  const telemetry = getStub(env.TELEMETRY, TELEMETRY_NAME, env);
  const { refused } = valueOrThrow(await telemetry.announceBreaker({ ...standing, name }));
  // It works without. It asks again daily.
  if (refused !== null) log("warn", "circuit_breaker.not_registered", { name, reason: refused });
}

/** The registered breakers; null if they could not be read. Never throws. */
export async function readRegistry(
  env: Pick<TelemetryEnv, "TELEMETRY" | "OBJECT_LOCATION_HINT">,
): Promise<BreakerRegistry | null> {
  try {
    return await within(TIMEOUT_MS, getStub(env.TELEMETRY, TELEMETRY_NAME, env).breakers());
  } catch (error) {
    log("error", "circuit_breaker.registry_unread", describeError(error));
    return null;
  }
}
