import { DurableObject } from "cloudflare:workers";
import { elapsedMs } from "../lib/base/clock.ts";
import { ok } from "../lib/base/result.ts";
import { validate } from "../lib/worker/validate.ts";
import { countsOf, startOf, add, steps, type SeriesCounts } from "./rules/history.ts";
import type { WorkerName } from "./rules/metrics.ts";
import {
  breakerAnnouncement,
  pointsAsked,
  report,
  type BreakerAnnouncement,
  type BreakerRegistry,
  type PointsAsked,
  type CounterReport,
  type TelemetryRpc,
} from "./rules/rpc.ts";
import {
  countRefused,
  createBreakerRegistry,
  readRegistered,
  registerBreaker,
} from "./stored-breakers.ts";
import {
  addToPoint,
  countIsolates,
  createSeriesTables,
  deletePoints,
  foldEnded,
  readPoints,
  readReportedAt,
  readTotals,
  saveReport,
  saveReportedAt,
} from "./stored-series.ts";

/** An isolate without a report for this long has ended, or takes a new name: see `client.ts`. */
const ENDED_AFTER_MS = 2 * 3_600_000;
const TIDY_EACH_MS = 600_000;
/** The time of a Worker's last report is stored at most this often. */
const REPORTED_EACH_MS = 10_000;

/**
 * The counters of the whole fleet, their history, and the list of circuit breakers.
 *
 * Consistency: a report is stored before it is acknowledged, and no isolate is counted twice. The
 * last counts of an isolate, or those while this object was unreachable, may be lost. The counts of
 * a report belong to the step in which it arrives, a few seconds after the events.
 */
export class Telemetry extends DurableObject<object> implements TelemetryRpc {
  readonly #sql: SqlStorage;
  #tidiedAt = Number.NEGATIVE_INFINITY;
  readonly #reportedAt = new Map<WorkerName, number>();
  /** The sums, updated after the first read: summing up hundreds of isolates is slow. */
  #totals: SeriesCounts | null = null;
  /** Replaced by tests. */
  clock: () => number = Date.now;

  constructor(ctx: DurableObjectState, env: object) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    createSeriesTables(this.#sql);
    createBreakerRegistry(this.#sql);
  }

  async report(received: CounterReport): ReturnType<TelemetryRpc["report"]> {
    const checked = validate(report, received);
    if (!checked.ok) return checked;
    const { isolate, totals, worker } = checked.value;
    const now = this.clock();
    const grown = this.ctx.storage.transactionSync(() => {
      const growth = saveReport(this.#sql, isolate, totals, now);
      const counts = countsOf(growth);
      if (Object.keys(counts).length > 0)
        for (const { stepMs } of steps) addToPoint(this.#sql, stepMs, startOf(now, stepMs), counts);
      return growth;
    });
    if (this.#totals !== null) add(this.#totals, grown);
    if (worker !== undefined) this.#noteReport(worker, now);
    if (elapsedMs(this.#tidiedAt, now) >= TIDY_EACH_MS) this.#tidy(now);
    return ok(null);
  }

  async totals(): Promise<Record<string, number>> {
    this.#totals ??= readTotals(this.#sql);
    return this.#totals;
  }

  async inspect(): ReturnType<TelemetryRpc["inspect"]> {
    return {
      totals: await this.totals(),
      isolates: countIsolates(this.#sql),
      reportedAt: readReportedAt(this.#sql),
      breakers: await this.breakers(),
      sizeBytes: this.#sql.databaseSize,
    };
  }

  async points(asked: PointsAsked): ReturnType<TelemetryRpc["points"]> {
    const checked = validate(pointsAsked, asked);
    return checked.ok
      ? ok(readPoints(this.#sql, checked.value.stepMs, checked.value.from))
      : checked;
  }

  async announceBreaker(
    announcement: BreakerAnnouncement,
  ): ReturnType<TelemetryRpc["announceBreaker"]> {
    const checked = validate(breakerAnnouncement, announcement);
    if (!checked.ok) return checked;
    const refused = this.ctx.storage.transactionSync(() =>
      registerBreaker(this.#sql, checked.value, this.clock()),
    );
    return ok({ refused });
  }

  async breakers(): Promise<BreakerRegistry> {
    const now = this.clock();
    return {
      registered: readRegistered(this.#sql, now),
      refused: countRefused(this.#sql, now),
    };
  }

  #noteReport(worker: WorkerName, now: number): void {
    if (elapsedMs(this.#reportedAt.get(worker) ?? Number.NEGATIVE_INFINITY, now) < REPORTED_EACH_MS)
      return;
    saveReportedAt(this.#sql, worker, now);
    this.#reportedAt.set(worker, now);
  }

  #tidy(now: number): void {
    this.ctx.storage.transactionSync(() => {
      foldEnded(this.#sql, now - ENDED_AFTER_MS);
      for (const { stepMs, keptMs } of steps)
        deletePoints(this.#sql, stepMs, startOf(now, stepMs) - keptMs);
    });
    this.#tidiedAt = now;
  }
}
