import { backoffMs } from "../../base/backoff.ts";
import { elapsedMs, sleep, type Clock } from "../../base/clock.ts";
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
 * Calls through a breaker, and repeats the call after a failure of the dependency, thrown or
 * returned. The breaker admits and counts each try separately. So retries stop when it opens, and a
 * probe is never repeated. A call of a cold isolate is not repeated either: it may be that probe,
 * or one of thousands. No retry comes sooner than the dependency asked for. Never throws.
 */
export async function callWithRetries<Value>(
  call: GuardedCall<Value>,
  { client, settings, budget, clock, random }: RetryPorts,
): Promise<Result<Value, GuardFailure>> {
  const startedAt = clock.now();
  let last: Result<Value, CallFailed> | null = null;
  const tries = async (signal: AbortSignal): Promise<Result<Value, GuardFailure>> => {
    for (let retry = 1; ; retry += 1) {
      const ended = await attempt(call, client, signal);
      // What the dependency answered is better to know than that the breaker has opened since.
      if (!ended.ran) return last ?? fail(ended.rejection);
      if (last === null) budget.earn();
      last = ended.result;
      if (!ended.isFailure || retry > settings.retries) return last;
      const waitMs = Math.max(backoffMs(settings, retry, random()), ended.retryAfterMs);
      // The deadline has a timer. Without a usable clock only that ends the wait.
      const spentMs = elapsedMs(startedAt, clock.now());
      if (Number.isFinite(spentMs) && spentMs + waitMs >= settings.deadlineMs) return last;
      await sleep(clock, waitMs);
      if (client.breaker.isCold || signal.aborted || !budget.spend()) return last;
      discard(last);
    }
  };
  try {
    return await withDeadline(settings.deadlineMs, clock, tries);
  } catch (error) {
    return last ?? fail({ tag: "call-failed", error });
  }
}

type Attempt<Value> =
  | { ran: false; rejection: CircuitOpen }
  | {
      ran: true;
      result: Result<Value, CallFailed>;
      isFailure: boolean;
      /** What the dependency asked callers to wait, in milliseconds. */
      retryAfterMs: number;
    };

async function attempt<Value>(
  call: GuardedCall<Value>,
  client: BreakerClient,
  signal: AbortSignal,
): Promise<Attempt<Value>> {
  try {
    const value = await client.run(call, { signal });
    if (value instanceof CircuitOpen) return { ran: false, rejection: value };
    const { isFailure, retryAfterMs } = client.afterResult(value);
    return { ran: true, result: ok(value), isFailure, retryAfterMs };
  } catch (error) {
    const { isFailure, retryAfterMs } = client.afterError(error, { signal });
    return { ran: true, result: fail({ tag: "call-failed", error }), isFailure, retryAfterMs };
  }
}

/** Frees the connection of a response that no caller gets. */
function discard(result: Result<unknown, CallFailed>): void {
  if (result.ok && result.value instanceof Response)
    result.value.body?.cancel().catch(() => undefined);
}
