import { backoffMs } from "../../base/backoff.ts";
import { sleep, type Clock } from "../../base/clock.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { withDeadline, type Operation } from "./attempt.ts";
import { CircuitOpen } from "./circuit-open.ts";
import type { BreakerClient } from "./client.ts";

export type RetrySettings = {
  /** Attempts after the first. */
  retries: number;
  /** The first delay; each further one is twice as long, up to `maxMs`, with jitter. */
  baseMs: number;
  maxMs: number;
  /** The longest that a call may take with all its attempts and delays. */
  deadlineMs: number;
};

export const defaultRetries: RetrySettings = {
  retries: 2,
  baseMs: 100,
  maxMs: 400,
  deadlineMs: 10_000,
};

/** Why a guarded call has no value. `call-failed` has what the last attempt threw. */
export type GuardFailure = CircuitOpen | CallFailed;

type CallFailed = { tag: "call-failed"; error: unknown };

/** Each call that reaches the dependency earns this much of a retry... */
const RETRIES_PER_CALL = 0.2;
/** ...and no more than this many are ever saved. */
const RESERVE = 10;

/**
 * Limits the retries of one isolate to 20 % of the calls that it makes plus a reserve of 10, in
 * every stretch of time: a token bucket that calls fill, so that a dependency which is down for
 * everybody is not asked three times by each.
 */
export class RetryBudget {
  #tokens = RESERVE;

  earn(): void {
    this.#tokens = Math.min(this.#tokens + RETRIES_PER_CALL, RESERVE);
  }

  /** @returns whether there was one to spend */
  spend(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** `random` in [0, 1). */
export type RetryPorts = { clock: Clock; random: () => number };

/**
 * Calls through a breaker, and again after a failure that is the dependency's. Each attempt is
 * admitted and counted by the breaker of its own, so retries stop as soon as it opens, and a probe
 * has no second attempt. Nor has a call of an isolate that has not heard from the breaker yet: it
 * may be that probe, or one of thousands.
 */
export async function callWithRetries<Value>(
  breaker: BreakerClient,
  operation: Operation<Value>,
  settings: RetrySettings,
  budget: RetryBudget,
  { clock, random }: RetryPorts,
): Promise<Result<Value, GuardFailure>> {
  let failed: CallFailed | null = null;
  const tries = async (signal: AbortSignal): Promise<Result<Value, GuardFailure>> => {
    for (let retry = 1; ; retry += 1) {
      try {
        const answer = await breaker.run(operation, { signal });
        // The error says more than that the breaker has opened since.
        if (answer instanceof CircuitOpen) return fail(failed ?? answer);
        if (failed === null) budget.earn();
        return ok(answer);
      } catch (error) {
        if (failed === null) budget.earn();
        failed = { tag: "call-failed", error };
        if (retry > settings.retries || !breaker.isFailure(error, { signal })) return fail(failed);
        await sleep(clock, backoffMs(settings, retry, random()));
        if (breaker.lease.isCold || signal.aborted || !budget.spend()) return fail(failed);
      }
    }
  };
  try {
    return await withDeadline(settings.deadlineMs, clock, tries);
  } catch (error) {
    return fail(failed ?? { tag: "call-failed", error });
  }
}
