import type { Clock } from "../../base/clock.ts";
import { boundedCall, CallTimeout, type GuardedCall } from "./bounded-call.ts";

/** How a dependency is called. */
export type CallPolicy = {
  /** The longest that one call takes, in milliseconds. */
  timeoutMs: number;
  /**
   * Whether calls end by themselves within `timeoutMs`. If not, the breaker ends them, which costs
   * one timer per call.
   */
  calleeTimesOut: boolean;
  /**
   * Whether an error counts as a failure of the dependency. Mistakes of the caller and corrupt
   * values should not. It is not asked about a call that the caller aborted, which never counts,
   * or about a call that exceeded `timeoutMs`, which always counts.
   */
  isFault: (error: unknown) => boolean;
};

export type CallOptions = {
  /** The caller's signal. A call that it aborts does not count. */
  signal?: AbortSignal;
};

/** Runs calls within their timeout, and decides whether an error is the dependency's failure. */
export class Executor {
  readonly #policy: CallPolicy;
  readonly #clock: Clock;

  constructor(policy: CallPolicy, clock: Clock) {
    this.#policy = policy;
    this.#clock = clock;
  }

  /**
   * @param atMostMs a limit that holds even if the callee times out by itself
   * @throws CallTimeout; the reason of the caller's signal; else what the call throws
   */
  async run<Value>(
    call: GuardedCall<Value>,
    options?: CallOptions,
    atMostMs = Number.POSITIVE_INFINITY,
  ): Promise<Value> {
    const { timeoutMs, calleeTimesOut } = this.#policy;
    const limitMs = Math.min(calleeTimesOut ? Number.POSITIVE_INFINITY : timeoutMs, atMostMs);
    if (limitMs === Number.POSITIVE_INFINITY && options?.signal === undefined)
      return await call(undefined);
    return await boundedCall(
      call,
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
