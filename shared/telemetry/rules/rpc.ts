import * as v from "valibot";
import type { Result } from "../../lib/base/result.ts";
import { record } from "../../lib/worker/record.ts";
import type { Invalid } from "../../lib/worker/validate.ts";
import { isBreakerName, NAME_RULE, type RefusalReason } from "./breaker-registry.ts";
import { type HistoryPoint, steps } from "./history.ts";
import { workerNames, type WorkerName } from "./metrics.ts";
import { SERIES } from "./series.ts";

/**
 * The RPC surface of the Durable Object `Telemetry`, which has the counters of the whole fleet, at
 * `env.TELEMETRY.getByName(TELEMETRY_NAME)`.
 */
export interface TelemetryRpc {
  /**
   * Accepts the totals that an isolate has counted since it started: all of them, or those that
   * have grown since the last acknowledged report. Because they are totals, not differences, lost,
   * late and repeated reports do no harm.
   */
  report(report: CounterReport): Promise<Result<null, Invalid>>;
  /** The sums over all isolates, by series. */
  totals(): Promise<Record<string, number>>;
  /** The totals, which isolates report, and the breakers. Times in milliseconds since the epoch. */
  inspect(): Promise<TelemetryReply>;
  /** The counts of each step from a time on, oldest first. Steps without counts are left out. */
  points(asked: PointsAsked): Promise<Result<HistoryPoint[], Invalid>>;
  /**
   * Registers a circuit breaker with what it announces of itself. A name that is new is refused
   * while the list is full.
   */
  announceBreaker(announcement: BreakerAnnouncement): Promise<Result<Registration, Invalid>>;
  /** The registered breakers, each as it announced itself last. */
  breakers(): Promise<BreakerRegistry>;
}

/** An object of an earlier release has neither `breakers` nor `sizeBytes`. */
type TelemetryReply = {
  totals: Record<string, number>;
  isolates: number;
  reportedAt: Partial<Record<WorkerName, number>>;
  breakers?: BreakerRegistry;
  sizeBytes?: number;
};

/** The one object of the fleet. */
export const TELEMETRY_NAME = "fleet";

/** More than the series of `counters.ts` and the counts of the cache together. */
const MAX_COUNTERS = 2_500;

export const report = v.object({
  isolate: v.pipe(
    v.string("must be text"),
    v.regex(/^[\w-]{1,64}$/, "must be 1 to 64 letters, digits or dashes"),
  ),
  worker: v.optional(v.picklist(workerNames, "must be the name of a Worker")),
  totals: v.pipe(
    record(
      v.pipe(v.string(), v.regex(SERIES, "must be the name of a counter")),
      v.pipe(
        v.number("must be a number"),
        v.integer("must be a whole number"),
        v.minValue(0, "must be at least 0"),
      ),
    ),
    v.check(
      (totals) => Object.keys(totals).length <= MAX_COUNTERS,
      `must have at most ${MAX_COUNTERS} counters`,
    ),
  ),
});
export type CounterReport = v.InferOutput<typeof report>;

export const pointsAsked = v.object({
  stepMs: v.picklist(
    steps.map(({ stepMs }) => stepMs),
    "must be a stored step",
  ),
  from: v.pipe(v.number("must be a number"), v.integer("must be a whole number")),
});
export type PointsAsked = v.InferOutput<typeof pointsAsked>;

const shortText = v.pipe(v.string("must be text"), v.maxLength(1_000, "is too long"));
const wholeNumber = v.pipe(v.number("must be a number"), v.integer("must be a whole number"));
const state = v.picklist(["CLOSED", "OPEN", "HALF_OPEN"], "must be a state");

/** `name`: null if it breaks the rule of names. `object`: the id of the breaker's object. */
export const breakerAnnouncement = v.object({
  name: v.nullable(v.pipe(v.string("must be text"), v.check(isBreakerName, NAME_RULE))),
  object: v.pipe(v.string("must be text"), v.regex(/^[0-9a-f]{1,64}$/, "must be hexadecimal")),
  state,
  epoch: wholeNumber,
  override: shortText,
  last: v.nullable(
    v.object({
      id: wholeNumber,
      at: wholeNumber,
      from: state,
      to: state,
      epoch: wholeNumber,
      cause: shortText,
      actor: shortText,
      reason: v.optional(shortText),
    }),
  ),
  outage: v.nullable(v.object({ since: wholeNumber, reason: v.nullable(shortText) })),
});
export type BreakerAnnouncement = v.InferOutput<typeof breakerAnnouncement>;

/** `refused`: why the breaker is not in the list; null if it is. */
type Registration = { refused: RefusalReason | null };

/**
 * A breaker as it announced itself last, at `reportedAt`: at its last change, or within a day
 * before. `last`: its latest transition; null if it never changed.
 */
export type RegisteredBreaker = Omit<BreakerAnnouncement, "name" | "object"> & {
  name: string;
  reportedAt: number;
};

/** How many breakers that are used are not in the list, by why. */
export type RefusedBreakers = Record<RefusalReason, number>;

export type BreakerRegistry = { registered: RegisteredBreaker[]; refused: RefusedBreakers };
