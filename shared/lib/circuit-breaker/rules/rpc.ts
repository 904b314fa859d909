import * as v from "valibot";
import type { Result } from "../../base/result.ts";
import type { Invalid } from "../../worker/validate.ts";
import type { Snapshot } from "./phase.ts";
import type { Transition } from "./state.ts";

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
  sync(request: SyncRequest): Promise<Result<SyncReply, Invalid>>;
  /** Ends the probe that holds this permit. Any other permit changes nothing. */
  endProbe(request: ProbeReport): Promise<Result<SyncReply, Invalid>>;

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

/** A permit whose probe never ends blocks the fleet for this long. */
const MAX_PERMIT_MS = 300_000;

export const syncRequest = v.strictObject({
  report: v.optional(v.strictObject({ epoch: count(1), failures: count(0), calls: count(-1e6) })),
  acquire: v.optional(
    v.strictObject({
      id: permitId,
      lastsMs: v.pipe(count(1), v.maxValue(MAX_PERMIT_MS, `must be at most ${MAX_PERMIT_MS}`)),
      cold: v.boolean("must be true or false"),
    }),
  ),
});
export type SyncRequest = v.InferOutput<typeof syncRequest>;

export const probeReport = v.strictObject({
  permitId,
  outcome: v.picklist(
    ["success", "failure", "ignored"],
    'must be "success", "failure" or "ignored"',
  ),
});
export type ProbeReport = v.InferOutput<typeof probeReport>;

export type SyncReply = { snapshot: Snapshot; granted: boolean };

const MAX_REASON_LENGTH = 500;

/** Who gives a command, and why. Both go into the history. */
export const commandOrigin = v.strictObject({ actor: text(200), reason: text(MAX_REASON_LENGTH) });
export type CommandOrigin = v.InferOutput<typeof commandOrigin>;

export const openCommand = v.strictObject({
  ...commandOrigin.entries,
  until: v.optional(
    v.pipe(
      v.number("must be a time in milliseconds since the epoch"),
      v.integer("must be a whole number"),
    ),
  ),
});

export const historyPage = v.strictObject({
  limit: v.optional(v.pipe(count(1), v.maxValue(1_000, "must be at most 1000")), 20),
  before: v.optional(count(1)),
});

/**
 * What an operator sees. `failures` and `calls` are the counts of the window. `last` is the latest
 * transition.
 */
export type Inspection = Snapshot & {
  failures: number;
  calls: number;
  last: RecordedTransition | null;
};

export type RecordedTransition = Transition & { id: number };
