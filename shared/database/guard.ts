import type { CallPolicy } from "../circuit-breaker/caller.ts";
import { guard, type BreakerEnv, type Guard } from "../circuit-breaker/guard.ts";
import { defaultRetries } from "../circuit-breaker/retry.ts";
import { isDatabaseFault } from "./faults.ts";

/** D1 has no timeout that a Worker could set. */
const policy: CallPolicy = { timeoutMs: 5_000, calleeTimesOut: false, isFault: isDatabaseFault };

/** Reads of D1 behind the fleet's breaker `database`. For reads alone: they may be repeated. */
export function databaseGuard(env: BreakerEnv): Guard {
  return guard(env, "database", policy, defaultRetries);
}
