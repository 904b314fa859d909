import type { Failure } from "../http/failure.ts";
import { fail, type Result } from "../lib/base/result.ts";
import {
  defaultRetries,
  guard,
  type BreakerEnv,
  type Guard,
} from "../lib/circuit-breaker/index.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { countRejection } from "../telemetry/counters.ts";
import { DATABASE_BREAKER, isDatabaseFault } from "./rules/faults.ts";

export type ReadFailure = Extract<Failure, { tag: "circuit-open" | "unavailable" }>;

/** D1 has no timeout that a Worker could set. */
const TIMEOUT_MS = 5_000;

/** Reads D1 behind the fleet's breaker `database`. For reads only, since it repeats them. */
function databaseGuard(env: BreakerEnv): Guard {
  return guard(env, DATABASE_BREAKER, {
    timeoutMs: TIMEOUT_MS,
    calleeTimesOut: false,
    countsAsFailure: isDatabaseFault,
    retries: defaultRetries,
    onRejected: countRejection,
  });
}

/** Runs a read behind the breaker `database`, with retries. Never throws. */
export async function readDatabase<Value>(
  env: BreakerEnv,
  read: () => Promise<Value>,
): Promise<Result<Value, ReadFailure>> {
  const answer = await databaseGuard(env)(read);
  if (answer.ok) return answer;
  if (answer.error.tag === "circuit-open")
    return fail({
      tag: "circuit-open",
      dependency: DATABASE_BREAKER,
      retryAfterMs: answer.error.retryAfterMs,
    });
  log("error", "database.read_failed", describeError(answer.error.error));
  return fail({ tag: "unavailable", dependency: "database" });
}
