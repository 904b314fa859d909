import { DurableObject } from "cloudflare:workers";
import { fail, ok, type Result } from "../../base/result.ts";
import { log } from "../../worker/log.ts";
import { validate, type Invalid } from "../../worker/validate.ts";
import { configuredSettings } from "../configured.ts";
import { snapshot, type Breaker } from "../rules/phase.ts";
import {
  historyPage,
  openCommand,
  commandOrigin,
  probeReport,
  syncRequest,
  type CircuitBreakerRpc,
  type Inspection,
  type CommandOrigin,
  type ProbeReport,
  type RecordedTransition,
  type SyncReply,
  type SyncRequest,
} from "../rules/rpc.ts";
import type { BreakerSettings } from "../rules/settings.ts";
import { decide, type Command, type Event } from "../rules/state.ts";
import type { BreakerVariables } from "../rules/variables.ts";
import { countWindow } from "../rules/window.ts";
import {
  createTables,
  listTransitions,
  loadBreaker,
  saveBreaker,
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
  readonly #settings: BreakerSettings;
  #breaker: Breaker;
  /** Replaced by tests. */
  clock: () => number = Date.now;

  constructor(ctx: DurableObjectState, env: BreakerVariables) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#settings = configuredSettings(env);
    createTables(this.#sql);
    this.#breaker = loadBreaker(this.#sql);
  }

  async sync(request: SyncRequest): Promise<Result<SyncReply, Invalid>> {
    const checked = validate(syncRequest, request);
    if (!checked.ok) return checked;
    const { report, acquire } = checked.value;
    this.#apply({ type: "look" });
    if (report !== undefined) this.#apply({ type: "report", ...report });
    const granted = acquire !== undefined && this.#apply({ type: "acquire", ...acquire });
    return ok({ snapshot: this.#snapshot(), granted });
  }

  async endProbe(request: ProbeReport): Promise<Result<SyncReply, Invalid>> {
    const checked = validate(probeReport, request);
    if (!checked.ok) return checked;
    this.#apply({ type: "probe-ended", ...checked.value });
    return ok({ snapshot: this.#snapshot(), granted: false });
  }

  async inspect(): Promise<Inspection> {
    this.#apply({ type: "look" });
    const { phase } = this.#breaker;
    const counts =
      phase.state === "CLOSED"
        ? countWindow(phase.window, this.#settings.windowMs, this.clock())
        : { failures: 0, calls: 0 };
    const [last = null] = listTransitions(this.#sql, 1);
    return { ...this.#snapshot(), ...counts, last };
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

  async #applyCommand(command: Command, by: CommandOrigin): Promise<Result<Inspection, Invalid>> {
    const checked = validate(commandOrigin, by);
    if (!checked.ok) return checked;
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
    return granted;
  }

  #snapshot(): SyncReply["snapshot"] {
    return snapshot(this.#breaker, this.#settings, this.clock());
  }
}
