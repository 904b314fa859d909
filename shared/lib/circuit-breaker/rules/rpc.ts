import * as v from "valibot";
import type { Result } from "../../base/result.ts";
import type { Invalid } from "../../worker/validate.ts";
import { MAX_FAILURE_TEXT } from "./failure-text.ts";
import type { Snapshot } from "./phase.ts";
import { thresholds } from "./thresholds.ts";
import type { Transition } from "./transition.ts";

/**
 * The RPC surface of the Durable Object `CircuitBreaker`: one object per dependency, by name.
 * Isolates use `sync` and `endProbe`. The other methods are for operators, over HTTP or from any
 * Worker that binds the namespace:
 *
 *     await env.CIRCUIT_BREAKER.getByName("database").forceOpen({
 *       actor: "ada",
 *       reason: "maintenance",
 *       until: Date.now() + 600_000,
 *     });
 *
 * A command takes effect in the whole fleet within `leaseMs` and goes into the history. A request
 * with a bad field changes nothing and returns `invalid` with the field's name.
 */
export interface CircuitBreakerRpc {
  /** Adds an isolate's counts, then gives a permit if asked and due. Returns a new snapshot. */
  sync(request: BreakerSyncRequest): Promise<Result<BreakerSyncReply, Invalid>>;
  /** Ends the probe that holds this permit. Any other permit changes nothing. */
  endProbe(request: ProbeReport): Promise<Result<BreakerSyncReply, Invalid>>;

  inspect(): Promise<Inspection>;
  /** Transitions, newest first. `before` is the `id` after which the page begins. */
  history(page?: {
    limit?: number;
    before?: number;
  }): Promise<Result<RecordedTransition[], Invalid>>;
  /** Closes the breaker, clears its counts and lifts any override. */
  reset(by: CommandOrigin): Promise<Result<Inspection, Invalid>>;
  /**
   * Rejects all calls until `until` (milliseconds since the epoch, at most 30 days ahead), or
   * without it until another command lifts this.
   */
  forceOpen(
    by: CommandOrigin & { until?: number | undefined },
  ): Promise<Result<Inspection, Invalid>>;
  /** Allows all calls and never opens, but still counts. */
  forceClose(by: CommandOrigin): Promise<Result<Inspection, Invalid>>;
  /** Allows all calls and counts nothing. */
  disable(by: CommandOrigin): Promise<Result<Inspection, Invalid>>;
  /** Lifts any override, closes the breaker and clears its counts. */
  enable(by: CommandOrigin): Promise<Result<Inspection, Invalid>>;
}

const count = (min: number) =>
  v.pipe(
    v.number("must be a number"),
    v.integer("must be a whole number"),
    v.minValue(min, `must be at least ${min}`),
    v.maxValue(1e9, "is too large"),
  );
const text = (maxLength: number) =>
  v.pipe(
    v.string("must be text"),
    v.trim(),
    v.minLength(1, "is empty"),
    v.maxLength(maxLength, "is too long"),
  );
const permitId = text(64);
/** Longer ones are taken for this. */
const MAX_DURATION_MS = 86_400_000;
const durationMs = v.pipe(
  v.number("must be a number"),
  v.minValue(0, "must be at least 0"),
  v.transform((ms) => Math.min(ms, MAX_DURATION_MS)),
);
/** The text of the last failure, for operators. */
const lastError = v.optional(text(MAX_FAILURE_TEXT));

/** A permit whose probe never ends blocks the fleet for this long. */
const MAX_PERMIT_MS = 300_000;

export const breakerSyncRequest = v.object({
  report: v.optional(
    v.object({
      epoch: count(1),
      failures: count(0),
      calls: count(-1e6),
      lastError,
      after: v.optional(count(0)),
      overMs: v.optional(durationMs),
      held: v.optional(count(0)),
      slow: v.optional(count(0)),
      retryAfterMs: v.optional(durationMs),
    }),
  ),
  acquire: v.optional(
    v.object({
      id: permitId,
      lastsMs: v.pipe(count(1), v.maxValue(MAX_PERMIT_MS, `must be at most ${MAX_PERMIT_MS}`)),
      cold: v.boolean("must be true or false"),
    }),
  ),
  /** What the code of the caller asks for. */
  thresholds: v.optional(thresholds),
});
export type BreakerSyncRequest = v.InferOutput<typeof breakerSyncRequest>;

export const probeReport = v.object({
  permitId,
  outcome: v.picklist(
    ["success", "failure", "ignored"],
    'must be "success", "failure" or "ignored"',
  ),
  lastError,
  retryAfterMs: v.optional(durationMs),
});
export type ProbeReport = v.InferOutput<typeof probeReport>;

/**
 * `takesErrors`: requests may have `lastError`. `wire`: the release of the protocol; from 2 on,
 * requests may have the other optional fields, and `snapshot` has to be restored by `fromWire`. An
 * object of an earlier release refuses such fields and has neither of these.
 */
export type BreakerSyncReply = {
  snapshot: Snapshot;
  granted: boolean;
  takesErrors?: true;
  wire?: 2;
};

const MAX_REASON_LENGTH = 500;

/** Who gives a command, and why. Both go into the history. */
export const commandOrigin = v.object({ actor: text(200), reason: text(MAX_REASON_LENGTH) });
export type CommandOrigin = v.InferOutput<typeof commandOrigin>;

export const openCommand = v.object({
  ...commandOrigin.entries,
  until: v.optional(
    v.pipe(
      v.number("must be a time in milliseconds since the epoch"),
      v.integer("must be a whole number"),
    ),
  ),
});

export const historyPage = v.object({
  limit: v.optional(v.pipe(count(1), v.maxValue(1_000, "must be at most 1000")), 20),
  before: v.optional(count(1)),
});

/**
 * What an operator sees. `failures`, `calls`, `slow` and `held` are the counts of the window, and
 * of no use while it is not closed. `held` calls did not run, since their isolate had paused.
 * `last` is the latest transition. `thresholdsDiffer`: callers ask for different thresholds; those
 * of the first one count until a reset. An object of an earlier release reports no optional field.
 */
export type Inspection = Snapshot & {
  failures: number;
  calls: number;
  last: RecordedTransition | null;
  windowMs?: number;
  outage?: Outage | null;
  slow?: number;
  held?: number;
  /** Of the object's storage. */
  sizeBytes?: number;
  thresholdsDiffer?: true;
};

/**
 * Since when a breaker is no longer closed, in milliseconds since the epoch, and the reason with
 * which it opened last. Null while it is closed. Failed probes do not change `since`.
 */
export type Outage = { since: number; reason: string | null };

export type RecordedTransition = Transition & { id: number };
