import { attempt, type Operation } from "./attempt.ts";
import { Caller, type CallOptions, type CallPolicy } from "./caller.ts";
import { CircuitOpen } from "./circuit-open.ts";
import type { Clock } from "../clock.ts";
import type { Lease, LeasePorts } from "./lease.ts";
import type { LocalBreaker } from "./local.ts";
import type { SyncReply } from "./rpc.ts";
import type { ProbeOutcome } from "./state.ts";
import type { Outcomes } from "./tally.ts";
import { adviceMs, elapsedMs, stanceUnder, type View } from "./view.ts";

export type ClientPorts = Pick<LeasePorts, "background" | "clock" | "random"> & {
  dependency: string;
  policy: CallPolicy;
  lease: Lease;
  newId: () => string;
};

type Closed = {
  view: View;
  askedAt: number;
  leaseMs: number;
  succeeded: <Value>(value: Value) => Value;
  failed: (error: unknown) => never;
};

/** The one wait for the object that a caller ever has: of the call that may become the probe. */
const ASK_TIMEOUT_MS = 1_000;
/** A permit outlasts the call it is for, by the wait for it and the way back of its outcome. */
const PERMIT_MARGIN_MS = 5_000;
/** Those who were rejected together come back spread over this. */
const JITTER_MS = 1_000;
const MIN_RETRY_AFTER_MS = 100;

/**
 * Guards the calls of one isolate to one dependency. Under a lease, CLOSED costs one comparison and OPEN a rejection; neither ever
 * waits for the object.
 */
export class BreakerClient {
  readonly lease: Lease;
  readonly #ports: ClientPorts;
  readonly #clock: Clock;
  readonly #caller: Caller;
  readonly #permitMs: number;
  #askingSince: number | null = null;
  #closed: Closed | null = null;

  constructor(ports: ClientPorts) {
    this.#ports = ports;
    this.#clock = ports.clock;
    this.#caller = new Caller(ports.policy, ports.clock);
    this.#permitMs = ports.policy.timeoutMs + PERMIT_MARGIN_MS;
    this.lease = ports.lease;
  }

  /**
   * Runs a call if the breaker lets it through.
   *
   * @returns what the call returns, or `CircuitOpen`
   * @throws what the call throws; DOMException `TimeoutError`; the reason of the caller's signal
   */
  run<Value>(operation: Operation<Value>, options?: CallOptions): Promise<Value | CircuitOpen> {
    const { lease } = this;
    const now = this.#clock.now();
    const closed = this.#closed;
    if (closed !== null && closed.view === lease.view && options === undefined) {
      const ageMs = now - closed.askedAt;
      if (ageMs >= 0 && ageMs < closed.leaseMs) return operation(undefined).then(closed.succeeded, closed.failed);
    }
    if (lease.local !== null) return this.#runLocally(operation, options, now, lease.local);
    if (lease.view === null) return this.#runCold(operation, options, now);
    lease.renewIfDue(now);
    const stance = stanceUnder(lease.view, now);
    switch (stance.do) {
      case "run":
        this.#rememberClosed(lease.view);
        return this.#observe(operation, options);
      case "reject":
        return Promise.resolve(this.#rejection(stance.retryAfterMs));
      case "ask":
        return this.#askUnlessAborted(operation, options, now);
    }
  }

  /** The handlers of the calls of one lease, so that a call does not make its own. Calls that need a timer or a signal do. */
  #rememberClosed(view: View): void {
    if (!this.#ports.policy.calleeTimesOut || this.#closed?.view === view) return;
    const { tally } = this.lease;
    this.#closed = {
      view,
      askedAt: view.askedAt,
      leaseMs: view.snapshot.leaseMs,
      succeeded: (value) => {
        tally.calls += 1;
        return value;
      },
      failed: (error) => {
        if (this.#caller.outcomeOf(error, undefined) === "failure") tally.failure();
        throw error;
      },
    };
  }

  /** Runs a call that was admitted while closed. */
  #observe<Value>(operation: Operation<Value>, options: CallOptions | undefined, tally: Outcomes = this.lease.tally): Promise<Value> {
    return this.#caller.call(operation, options).then(
      (value) => {
        tally.success();
        return value;
      },
      (error: unknown) => {
        if (this.#caller.outcomeOf(error, options) === "failure") tally.failure();
        throw error;
      },
    );
  }

  /** Nothing is known yet: the call runs beside the question, and counts under its answer. */
  #runCold<Value>(operation: Operation<Value>, options: CallOptions | undefined, now: number): Promise<Value> {
    const permitId = this.#ports.newId();
    const asked = this.lease.acquireBeside(permitId, this.#permitMs, now);
    if (asked === null) return this.#observe(operation, options);
    const call = this.#caller.call(operation, options);
    const ended = call.then(
      () => "success" as const,
      (error: unknown) => this.#caller.outcomeOf(error, options),
    );
    this.#ports.background(this.#settleCold(permitId, asked, ended));
    return call;
  }

  async #settleCold(permitId: string, asked: Promise<SyncReply | null>, ended: Promise<ProbeOutcome>): Promise<void> {
    const reply = await asked;
    const { tally, local } = this.lease;
    const outcome = await ended;
    if (reply?.granted) await this.lease.endProbe(permitId, outcome);
    else if (reply === null && local === null) {
      if (outcome === "failure") tally.failure();
      if (outcome === "success") tally.success();
    } else if (local !== null) {
      if (outcome !== "ignored") local.outcomes()[outcome]();
    } else if (reply !== null && reply.snapshot.epoch === tally.epoch) {
      if (outcome === "failure") tally.coldFailure();
      if (outcome === "ignored") tally.coldIgnored();
    }
  }

  /** A caller that no longer wants the answer does not wait for the object either; a permit that comes all the same is given back. */
  #askUnlessAborted<Value>(operation: Operation<Value>, options: CallOptions | undefined, now: number): Promise<Value | CircuitOpen> {
    const asked = this.#ask(operation, options, now);
    if (options?.signal === undefined) return asked;
    this.#ports.background(asked.catch(() => undefined));
    return attempt(() => asked, null, options.signal, this.#clock);
  }

  /** The open time is over: one call of the isolate asks the object, which lets one call of the fleet probe. */
  async #ask<Value>(operation: Operation<Value>, options: CallOptions | undefined, now: number): Promise<Value | CircuitOpen> {
    if (this.#askingSince !== null && elapsedMs(this.#askingSince, now) < 2 * ASK_TIMEOUT_MS) return this.#rejection(0);
    options?.signal?.throwIfAborted();
    this.#askingSince = now;
    const permitId = this.#ports.newId();
    const timeoutMs = Math.min(ASK_TIMEOUT_MS, options?.limitMs ?? ASK_TIMEOUT_MS);
    const reply = await this.lease.acquire(permitId, this.#permitMs, timeoutMs);
    this.#askingSince = null;
    const left = { ...options, ...(options?.limitMs !== undefined && { limitMs: options.limitMs - elapsedMs(now, this.#clock.now()) }) };
    if (reply?.granted)
      return await this.#probe(operation, left, (outcome) => this.#ports.background(this.lease.endProbe(permitId, outcome)));
    const { view, local } = this.lease;
    if (local !== null) return await this.#runLocally(operation, left, this.#clock.now(), local);
    const stance = view === null ? null : stanceUnder(view, this.#clock.now());
    if (stance?.do === "run") return await this.#observe(operation, left);
    return this.#rejection(stance?.do === "reject" ? stance.retryAfterMs : 0);
  }

  async #probe<Value>(operation: Operation<Value>, options: CallOptions, end: (outcome: ProbeOutcome) => void): Promise<Value> {
    try {
      const limitMs = Math.min(options.limitMs ?? Number.POSITIVE_INFINITY, this.#permitMs - ASK_TIMEOUT_MS);
      const value = await this.#caller.call(operation, { ...options, limitMs });
      end("success");
      return value;
    } catch (error) {
      end(this.#caller.outcomeOf(error, options));
      throw error;
    }
  }

  #runLocally<Value>(
    operation: Operation<Value>,
    options: CallOptions | undefined,
    now: number,
    local: LocalBreaker,
  ): Promise<Value | CircuitOpen> {
    this.lease.renewIfDue(now);
    const permitId = this.#ports.newId();
    const granted = local.acquire(permitId, this.#permitMs);
    if (granted) return this.#probe(operation, options ?? {}, (outcome) => local.endProbe(permitId, outcome));
    const { snapshot } = local;
    if (snapshot.state !== "CLOSED") return Promise.resolve(this.#rejection(adviceMs(snapshot, snapshot.retryAfterMs)));
    return this.#observe(operation, options, local.outcomes());
  }

  #rejection(retryAfterMs: number): CircuitOpen {
    const spread = Math.max(retryAfterMs, MIN_RETRY_AFTER_MS) + this.#ports.random() * JITTER_MS;
    return new CircuitOpen(this.#ports.dependency, Math.ceil(spread));
  }
}
