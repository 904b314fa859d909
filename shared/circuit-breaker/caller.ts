import type { Clock } from "../clock.ts";
import { attempt, deadline, DeadlineExceeded, timeout, type Operation } from "./attempt.ts";

/** How a dependency is called. */
export type CallPolicy = {
  /** The longest that one call takes. */
  timeoutMs: number;
  /** Whether calls end by themselves within `timeoutMs`. If not the breaker ends them, which costs a timer each. */
  calleeTimesOut: boolean;
  /** Whether an error speaks against the dependency. The caller's own mistakes do not, nor does a value that is corrupt. */
  isFault: (error: unknown) => boolean;
};

export type CallOptions = {
  /** The caller's. What it aborts does not count. */
  signal?: AbortSignal;
  /** The longest that this call may take in all, if that is less than the policy's. */
  limitMs?: number;
};

/** Calls a dependency within its limits, and says what an error makes of the breaker. */
export class Caller {
  readonly #policy: CallPolicy;
  readonly #clock: Clock;

  constructor(policy: CallPolicy, clock: Clock) {
    this.#policy = policy;
    this.#clock = clock;
  }

  async call<Value>(operation: Operation<Value>, { limitMs, signal }: CallOptions = {}): Promise<Value> {
    const { timeoutMs, calleeTimesOut } = this.#policy;
    const own = calleeTimesOut ? null : timeout(timeoutMs);
    const limit = limitMs !== undefined && limitMs < (own?.ms ?? Number.POSITIVE_INFINITY) ? deadline(limitMs) : own;
    if (limit === null && signal === undefined) return await operation(undefined);
    return await attempt(operation, limit, signal, this.#clock);
  }

  outcomeOf(error: unknown, options: CallOptions | undefined): "failure" | "ignored" {
    if (options?.signal?.aborted || error instanceof DeadlineExceeded) return "ignored";
    return this.#policy.isFault(error) ? "failure" : "ignored";
  }
}
