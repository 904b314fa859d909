import { DurableObject } from "cloudflare:workers";
import { fail, ok, type Result } from "../../base/result.ts";
import { log } from "../../worker/log.ts";
import { validate, type Invalid } from "../../worker/validate.ts";
import { configuredSettings } from "../configured.ts";
import { snapshot, type Breaker, type Snapshot } from "../rules/phase.ts";
import { addRequest, leaseMsAt, noRequests, type RequestRate } from "../rules/request-rate.ts";
import {
  historyPage,
  openCommand,
  commandOrigin,
  probeReport,
  breakerSyncRequest,
  type CircuitBreakerRpc,
  type Inspection,
  type CommandOrigin,
  type ProbeReport,
  type RecordedTransition,
  type BreakerSyncReply,
  type BreakerSyncRequest,
} from "../rules/rpc.ts";
import type { BreakerSettings } from "../rules/settings.ts";
import { decide, type Event } from "../rules/state.ts";
import { areSame, type Thresholds } from "../rules/thresholds.ts";
import type { Command } from "../rules/transition.ts";
import type { BreakerVariables } from "../rules/variables.ts";
import { countWindow } from "../rules/window.ts";
import { toWire } from "../rules/wire.ts";
import { announcerOf, type BreakerHost } from "./announcement.ts";
import { markOf, type Announcer } from "./announcer.ts";
import {
  createBreakerTables,
  currentOutage,
  listTransitions,
  loadBreaker,
  loadThresholds,
  saveBreaker,
  saveThresholds,
  saveTransition,
} from "./stored-breaker.ts";

const MAX_FORCED_OPEN_MS = 30 * 86_400_000;

/**
 * The circuit breaker of one dependency for the whole fleet. It loads, decides and persists.
 * `state.ts` has the rules.
 *
 * Consistency: one object handles all events one after another. So each failure is counted once,
 * the breaker opens once, and there is one permit. A reply leaves only after its state is written.
 * Failures, transitions, overrides and the permit survive an eviction of the object. Calls that
 * were reported since the last failure do not, which can only make the share of failures look
 * larger than it is.
 */
export class CircuitBreaker extends DurableObject<BreakerVariables> implements CircuitBreakerRpc {
  readonly #sql: SqlStorage;
  #settings: BreakerSettings;
  #asked: Thresholds | null;
  #thresholdsDiffer = false;
  #breaker: Breaker;
  readonly #announcer: Announcer | null;
  #rate: RequestRate = noRequests;
  /** Replaced by tests. */
  clock: () => number = Date.now;

  constructor(ctx: DurableObjectState, env: BreakerVariables, host: BreakerHost = {}) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    createBreakerTables(this.#sql);
    this.#asked = loadThresholds(this.#sql);
    this.#settings = this.#readSettings();
    this.#breaker = loadBreaker(this.#sql);
    const { storage, id } = ctx;
    const waitUntil = ctx.waitUntil.bind(ctx);
    this.#announcer = announcerOf({ storage, id, waitUntil }, host, {
      mark: () => markOf(this.#snapshot()),
      inspection: () => this.#inspection(),
    });
  }

  /** Announces the breaker again, if that failed. */
  override async alarm(): Promise<void> {
    await this.#announcer?.retry();
  }

  async sync(request: BreakerSyncRequest): Promise<Result<BreakerSyncReply, Invalid>> {
    const checked = validate(breakerSyncRequest, request);
    if (!checked.ok) return checked;
    const { report, acquire, thresholds } = checked.value;
    if (thresholds !== undefined) this.#take(thresholds);
    this.#apply({ type: "look" });
    if (report !== undefined) this.#apply({ type: "report", ...report });
    const granted = acquire !== undefined && this.#apply({ type: "acquire", ...acquire });
    this.#announcer?.touch(true);
    return ok(this.#reply(granted));
  }

  async endProbe(request: ProbeReport): Promise<Result<BreakerSyncReply, Invalid>> {
    const checked = validate(probeReport, request);
    if (!checked.ok) return checked;
    this.#apply({ type: "probe-ended", ...checked.value });
    return ok(this.#reply(false));
  }

  async inspect(): Promise<Inspection> {
    this.#apply({ type: "look" });
    return this.#inspection();
  }

  #inspection(): Inspection {
    const { phase } = this.#breaker;
    const counts =
      phase.state === "CLOSED"
        ? countWindow(phase.window, this.#settings.windowMs, this.clock())
        : { failures: 0, calls: 0, slow: 0, held: 0 };
    const [last = null] = listTransitions(this.#sql, 1);
    const { windowMs } = this.#settings;
    const outage = phase.state === "CLOSED" ? null : currentOutage(this.#sql);
    const sizeBytes = this.#sql.databaseSize;
    const inspection = { ...this.#snapshot(), ...counts, last, windowMs, outage, sizeBytes };
    return this.#thresholdsDiffer ? { ...inspection, thresholdsDiffer: true } : inspection;
  }

  async history(
    page: { limit?: number; before?: number } = {},
  ): Promise<Result<RecordedTransition[], Invalid>> {
    const checked = validate(historyPage, page);
    if (!checked.ok) return checked;
    const { limit, before } = checked.value;
    return ok(listTransitions(this.#sql, limit, before));
  }

  async reset(by: CommandOrigin): Promise<Result<Inspection, Invalid>> {
    return await this.#applyCommand({ do: "reset" }, by);
  }

  async forceOpen(
    by: CommandOrigin & { until?: number | undefined },
  ): Promise<Result<Inspection, Invalid>> {
    const checked = validate(openCommand, by);
    if (!checked.ok) return checked;
    const { until, ...origin } = checked.value;
    if (until === undefined) return await this.#applyCommand({ do: "open", forMs: null }, origin);
    const forMs = until - this.clock();
    if (forMs <= 0)
      return fail({
        tag: "invalid",
        errors: [{ path: "until", message: "must lie in the future" }],
      });
    if (forMs > MAX_FORCED_OPEN_MS)
      return fail({
        tag: "invalid",
        errors: [{ path: "until", message: "must be at most 30 days ahead" }],
      });
    return await this.#applyCommand({ do: "open", forMs }, origin);
  }

  async forceClose(by: CommandOrigin): Promise<Result<Inspection, Invalid>> {
    return await this.#applyCommand({ do: "close" }, by);
  }

  async disable(by: CommandOrigin): Promise<Result<Inspection, Invalid>> {
    return await this.#applyCommand({ do: "disable" }, by);
  }

  async enable(by: CommandOrigin): Promise<Result<Inspection, Invalid>> {
    return await this.#applyCommand({ do: "enable" }, by);
  }

  #readSettings(): BreakerSettings {
    return configuredSettings(this.env, this.ctx.id.name ?? "", this.#asked ?? {});
  }

  /** The thresholds of the first caller count. Others are shown, and count after a reset. */
  #take(asked: Thresholds): void {
    if (this.#asked === null) {
      saveThresholds(this.#sql, asked);
      this.#asked = asked;
      this.#settings = this.#readSettings();
      return;
    }
    if (this.#thresholdsDiffer || areSame(this.#asked, asked)) return;
    this.#thresholdsDiffer = true;
    log("warn", "circuit_breaker.thresholds_differ", { dependency: this.ctx.id.name });
  }

  #forgetThresholds(): void {
    saveThresholds(this.#sql, null);
    this.#asked = null;
    this.#thresholdsDiffer = false;
    this.#settings = this.#readSettings();
  }

  async #applyCommand(command: Command, by: CommandOrigin): Promise<Result<Inspection, Invalid>> {
    const checked = validate(commandOrigin, by);
    if (!checked.ok) return checked;
    if (command.do === "reset") this.#forgetThresholds();
    this.#apply({ type: "command", command, ...checked.value });
    return ok(await this.inspect());
  }

  /** @returns whether the event took the permit */
  #apply(event: Event): boolean {
    const { breaker, transition, granted, persist } = decide(
      this.#breaker,
      event,
      this.#settings,
      this.clock(),
    );
    // The changes of one event are written together. If that fails, the event did not happen.
    if (persist) {
      this.ctx.storage.transactionSync(() => {
        saveBreaker(this.#sql, breaker);
        if (transition !== null) saveTransition(this.#sql, transition);
      });
    }
    this.#breaker = breaker;
    if (transition !== null) {
      const { from, to, epoch, cause } = transition;
      log(to === "OPEN" ? "warn" : "info", "circuit_breaker.transition", {
        dependency: this.ctx.id.name,
        from,
        to,
        epoch,
        cause,
      });
    }
    this.#announcer?.touch(event.type !== "look");
    return granted;
  }

  #reply(granted: boolean): BreakerSyncReply {
    const now = this.clock();
    this.#rate = addRequest(this.#rate, now);
    return { snapshot: toWire(this.#snapshot(), now), granted, takesErrors: true, wire: 2 };
  }

  #snapshot(): Snapshot {
    const now = this.clock();
    const leaseMs = leaseMsAt(this.#rate, this.#settings.leaseMs, now);
    return snapshot(this.#breaker, this.#settings, now, leaseMs);
  }
}
