import type { Clock } from "../../base/clock.ts";
import { attempt, CallTimeout, type Operation } from "./attempt.ts";

/** How a dependency is called. */
export type CallPolicy = {
  /** The longest that one call takes. */
  timeoutMs: number;
  /**
   * Whether calls end by themselves within `timeoutMs`. If not the breaker ends them, which costs a
   * timer each.
   */
  calleeTimesOut: boolean;
  /**
   * Whether an error speaks against the dependency. The caller's own mistakes do not, nor does a
   * value that is corrupt. Not asked for what the caller aborted, which never counts, nor for a
   * call that the breaker had to end, which always does.
   */
  isFault: (error: unknown) => boolean;
};

export type CallOptions = {
  /** The caller's. What it aborts does not count. */
  signal?: AbortSignal;
};

/** Calls a dependency within its time, and says what an error makes of the breaker. */
export class Caller {
  readonly #policy: CallPolicy;
  readonly #clock: Clock;

  constructor(policy: CallPolicy, clock: Clock) {
    this.#policy = policy;
    this.#clock = clock;
  }

  /** @param atMostMs ends also a call that should have ended by itself */
  async call<Value>(
    operation: Operation<Value>,
    options?: CallOptions,
    atMostMs = Number.POSITIVE_INFINITY,
  ): Promise<Value> {
    const { timeoutMs, calleeTimesOut } = this.#policy;
    const limitMs = Math.min(calleeTimesOut ? Number.POSITIVE_INFINITY : timeoutMs, atMostMs);
    if (limitMs === Number.POSITIVE_INFINITY && options?.signal === undefined)
      return await operation(undefined);
    return await attempt(
      operation,
      limitMs === Number.POSITIVE_INFINITY ? null : limitMs,
      options?.signal,
      this.#clock,
    );
  }

  outcomeOf(error: unknown, options: CallOptions | undefined): "failure" | "ignored" {
    if (options?.signal?.aborted) return "ignored";
    return error instanceof CallTimeout || this.#policy.isFault(error) ? "failure" : "ignored";
  }
}
