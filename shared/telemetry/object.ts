import { DurableObject } from "cloudflare:workers";
import { validate } from "../http/body.ts";
import { ok } from "../result.ts";
import { report, type Report, type TelemetryRpc } from "./rpc.ts";
import { createTables, foldEnded, readTotals, saveReport } from "./store.ts";

/** An isolate that has not reported for this long has ended. It would begin anew: see `client.ts`. */
const ENDED_AFTER_MS = 2 * 3_600_000;
const FOLD_EACH_MS = 600_000;

/**
 * Counters of the whole fleet.
 *
 * Consistency: what a report said is on disk before it is answered, and no isolate is counted twice. What an isolate counted in its
 * last moments, or while this object could not be reached, may never arrive.
 */
export class Telemetry extends DurableObject<object> implements TelemetryRpc {
  readonly #sql: SqlStorage;
  #foldedAt = 0;
  /** Replaced by tests. */
  clock: () => number = Date.now;

  constructor(ctx: DurableObjectState, env: object) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    createTables(this.#sql);
  }

  async report(given: Report): ReturnType<TelemetryRpc["report"]> {
    const checked = validate(report, given);
    if (!checked.ok) return checked;
    const now = this.clock();
    const fold = Math.abs(now - this.#foldedAt) >= FOLD_EACH_MS;
    this.ctx.storage.transactionSync(() => {
      saveReport(this.#sql, checked.value.isolate, checked.value.totals, now);
      if (fold) foldEnded(this.#sql, now - ENDED_AFTER_MS);
    });
    if (fold) this.#foldedAt = now;
    return ok(null);
  }

  async totals(): Promise<Record<string, number>> {
    return readTotals(this.#sql);
  }
}
