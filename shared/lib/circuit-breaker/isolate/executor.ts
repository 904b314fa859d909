import type { Clock } from "../../base/clock.ts";
import { boundedCall, CallTimeout, type GuardedCall } from "./bounded-call.ts";
import { requestedWaitMs, statusOf } from "./http-answer.ts";

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
   * values should not. It is not asked about a call that the caller aborted or whose error has the
   * status 429, which never counts, or about a call that exceeded `timeoutMs`, which always counts.
   */
  countsAsFailure: (error: unknown) => boolean;
  /**
   * Whether a result counts as a failure although it was not thrown, for example a `Response` with
   * the status 503. The caller gets the result all the same. It is not asked about a result with
   * the status 429, which never counts. Without it no result counts.
   */
  resultCountsAsFailure?: ((result: unknown) => boolean) | undefined;
  /** A call that takes longer than this is slow, in milliseconds. Without it no call is. */
  slowMs?: number | undefined;
};

export type CallOptions = {
  /** The caller's signal. A call that it aborts does not count. */
  signal?: AbortSignal;
  /**
   * The caller has already chosen this call as one of the share that a ramp admits: see
   * `BreakerClient.admission`. Otherwise the client decides at random.
   */
  isInShare?: boolean;
  /** The longest that this call takes, in milliseconds, instead of the policy's `timeoutMs`. */
  timeoutMs?: number;
};

/**
 * How a call ended. `slow`: it succeeded after too long a time. `error`: what it threw, or the
 * result that counts as a failure. `retryAfterMs`: what the dependency asked callers to wait.
 */
export type Ended = {
  outcome: "success" | "slow" | "failure" | "ignored";
  error: unknown;
  retryAfterMs: number;
};

const success: Ended = { outcome: "success", error: null, retryAfterMs: 0 };
const slow: Ended = { outcome: "slow", error: "the call was slow", retryAfterMs: 0 };
/** A permit that no call used. */
export const givenBack: Ended = { outcome: "ignored", error: null, retryAfterMs: 0 };
const ignored: Ended = { outcome: "ignored", error: null, retryAfterMs: 0 };

const alwaysSuccess = (): Ended => success;

const TOO_MANY_REQUESTS = 429;

/** Runs calls within their timeout, and decides how they ended. */
export class Executor {
  readonly #policy: CallPolicy;
  readonly #clock: Clock;
  readonly #slowMs: number;

  constructor(policy: CallPolicy, clock: Clock) {
    this.#policy = policy;
    this.#clock = clock;
    this.#slowMs = policy.slowMs ?? Number.POSITIVE_INFINITY;
  }

  /** Whether each call that returns is a success, so that it need not be looked at. */
  get resultsAreSuccesses(): boolean {
    return (
      this.#policy.resultCountsAsFailure === undefined && this.#slowMs === Number.POSITIVE_INFINITY
    );
  }

  /** The longest that a call takes. */
  timeoutMs(options: CallOptions | undefined): number {
    return options?.timeoutMs ?? this.#policy.timeoutMs;
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
    const ownMs = this.#policy.calleeTimesOut ? Number.POSITIVE_INFINITY : this.timeoutMs(options);
    const limitMs = Math.min(ownMs, atMostMs);
    if (limitMs === Number.POSITIVE_INFINITY && options?.signal === undefined)
      return await call(undefined);
    return await boundedCall(
      call,
      limitMs === Number.POSITIVE_INFINITY ? null : limitMs,
      options?.signal,
      this.#clock,
    );
  }

  /** How a call ended that threw. */
  afterError(error: unknown, options: CallOptions | undefined): Ended {
    if (options?.signal?.aborted) return ignored;
    const counts =
      error instanceof CallTimeout ||
      (statusOf(error) !== TOO_MANY_REQUESTS && this.#policy.countsAsFailure(error));
    return counts ? this.#failure(error) : ignored;
  }

  /** Begins to time a call. @returns how it ended if it returned this result */
  watch(): (result: unknown) => Ended {
    if (this.resultsAreSuccesses) return alwaysSuccess;
    const startedAt = this.#clock.now();
    return (result) => this.#afterResult(result, this.#clock.now() - startedAt);
  }

  #afterResult(result: unknown, tookMs: number): Ended {
    if (this.isFailedResult(result)) return this.#failure(result);
    return tookMs > this.#slowMs ? slow : success;
  }

  /** Whether a result counts as a failure of the dependency. */
  isFailedResult(result: unknown): boolean {
    const { resultCountsAsFailure } = this.#policy;
    return (
      resultCountsAsFailure !== undefined &&
      statusOf(result) !== TOO_MANY_REQUESTS &&
      resultCountsAsFailure(result)
    );
  }

  #failure(error: unknown): Ended {
    return {
      outcome: "failure",
      error: error instanceof Response ? `HTTP ${error.status}` : error,
      retryAfterMs: requestedWaitMs(error, this.#clock.now()),
    };
  }
}
