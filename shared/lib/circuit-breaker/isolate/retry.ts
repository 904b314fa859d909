import { backoffMs } from "../../base/backoff.ts";
import { sleep, type Clock } from "../../base/clock.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { withDeadline, type GuardedCall } from "./bounded-call.ts";
import { CircuitOpen } from "./circuit-open.ts";
import type { BreakerClient } from "./client.ts";

/** Durations in milliseconds. */
export type RetrySettings = {
  /** Tries after the first. */
  retries: number;
  /** The first delay. Each further one is twice as long, up to `maxMs`, with jitter. */
  baseMs: number;
  maxMs: number;
  /** The longest that a call may take with all its tries and delays. */
  deadlineMs: number;
};

export const defaultRetries: RetrySettings = {
  retries: 2,
  baseMs: 100,
  maxMs: 400,
  deadlineMs: 10_000,
};

/** Why a guarded call has no value. `call-failed` has what the last try threw. */
export type GuardFailure = CircuitOpen | CallFailed;

type CallFailed = { tag: "call-failed"; error: unknown };

/** Each call that reaches the dependency earns this share of a retry. */
const RETRIES_PER_CALL = 0.2;
/** At most so many retries are saved. */
const RESERVE = 10;

/**
 * Limits the retries of one isolate to 20 % of its calls plus a reserve of 10, over any stretch of
 * time. It is a token bucket that calls fill, so that a dependency which fails for all callers does
 * not get three times its load.
 */
export class RetryBudget {
  #tokens = RESERVE;

  earn(): void {
    this.#tokens = Math.min(this.#tokens + RETRIES_PER_CALL, RESERVE);
  }

  /** @returns whether there was a retry to spend */
  spend(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

export type RetryPorts = {
  client: BreakerClient;
  settings: RetrySettings;
  budget: RetryBudget;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
};

/**
 * Calls through a breaker, and repeats the call after a failure of the dependency. The breaker
 * admits and counts each try separately. So retries stop when it opens, and a probe is never
 * repeated. A call of a cold isolate is not repeated either: it may be that probe, or one of
 * thousands. Never throws.
 */
export async function callWithRetries<Value>(
  call: GuardedCall<Value>,
  { client, settings, budget, clock, random }: RetryPorts,
): Promise<Result<Value, GuardFailure>> {
  let failed: CallFailed | null = null;
  const tries = async (signal: AbortSignal): Promise<Result<Value, GuardFailure>> => {
    for (let retry = 1; ; retry += 1) {
      try {
        const answer = await client.run(call, { signal });
        // The error is a better answer than that the breaker has opened since.
        if (answer instanceof CircuitOpen) return fail(failed ?? answer);
        if (failed === null) budget.earn();
        return ok(answer);
      } catch (error) {
        if (failed === null) budget.earn();
        failed = { tag: "call-failed", error };
        if (retry > settings.retries || !client.isFailure(error, { signal })) return fail(failed);
        await sleep(clock, backoffMs(settings, retry, random()));
        if (client.breaker.isCold || signal.aborted || !budget.spend()) return fail(failed);
      }
    }
  };
  try {
    return await withDeadline(settings.deadlineMs, clock, tries);
  } catch (error) {
    return fail(failed ?? { tag: "call-failed", error });
  }
}
