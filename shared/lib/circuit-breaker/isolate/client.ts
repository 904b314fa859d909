import { elapsedMs, type Clock } from "../../base/clock.ts";
import type { SyncReply } from "../rules/rpc.ts";
import type { ProbeOutcome } from "../rules/state.ts";
import { suggestedRetryMs, admissionUnder, type Admission, type View } from "../rules/view.ts";
import { attempt, type Operation } from "./attempt.ts";
import { CircuitOpen } from "./circuit-open.ts";
import { Caller, type CallOptions, type CallPolicy } from "./executor.ts";
import type { LocalBreaker } from "./local.ts";
import { type LeasePorts, type Permit, leftMs } from "./snapshot-ports.ts";
import type { Lease } from "./snapshot.ts";
import type { Outcomes } from "./tally.ts";

export type ClientPorts = Pick<LeasePorts, "background" | "clock" | "random"> & {
  dependency: string;
  policy: CallPolicy;
  lease: Lease;
  newId: () => string;
  /** Hears of each call that is not let through. */
  rejected?: () => void;
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
/** An outcome that reaches the object after its permit has expired is worth nothing. */
const RETURN_MS = 500;
/** Those who were rejected together come back spread over this. */
const JITTER_MS = 1_000;
const MIN_RETRY_AFTER_MS = 100;

/**
 * Guards the calls of one isolate to one dependency. Under a lease, CLOSED costs one comparison and
 * OPEN a rejection; neither ever waits for the object.
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
   * @throws what the call throws; CallTimeout; the reason of the caller's signal
   */
  run<Value>(operation: Operation<Value>, options?: CallOptions): Promise<Value | CircuitOpen> {
    const { lease } = this;
    const now = this.#clock.now();
    const closed = this.#closed;
    if (closed !== null && closed.view === lease.view && options === undefined) {
      const ageMs = now - closed.askedAt;
      if (ageMs >= 0 && ageMs < closed.leaseMs)
        return called(operation).then(closed.succeeded, closed.failed);
    }
    if (lease.local !== null) return this.#runLocally(operation, options, now, lease.local);
    if (lease.view === null) return this.#runCold(operation, options, now);
    lease.renewIfDue(now);
    const spare = lease.takeSpare(this.#ports.policy.timeoutMs + RETURN_MS, now);
    if (spare !== null) return this.#probe(operation, options, spare);
    const admission = admissionUnder(lease.view, now);
    switch (admission.do) {
      case "allow":
        this.#rememberClosed(lease.view);
        return this.#observe(operation, options);
      case "reject":
        return Promise.resolve(this.#rejection(admission.retryAfterMs));
      case "probe":
        return this.#askUnlessAborted(operation, options, now);
    }
  }

  /** What a call would meet now. While nothing is known it would run. */
  admission(): Admission {
    const { view, local } = this.lease;
    if (local === null)
      return view === null ? { do: "allow" } : admissionUnder(view, this.#clock.now());
    const { snapshot } = local;
    if (snapshot.state === "CLOSED") return { do: "allow" };
    const retryAfterMs = suggestedRetryMs(snapshot, snapshot.retryAfterMs);
    return retryAfterMs > 0 ? { do: "reject", retryAfterMs } : { do: "probe" };
  }

  /** Whether what `run` threw counts against the dependency. */
  isFailure(error: unknown, options?: CallOptions): boolean {
    return this.#caller.outcomeOf(error, options) === "failure";
  }

  /**
   * The handlers of the calls of one lease, so that a call does not make its own. Calls that need a
   * timer or a signal do.
   */
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
        if (this.isFailure(error)) tally.failure();
        throw error;
      },
    };
  }

  /** Runs a call that was admitted while closed. */
  #observe<Value>(
    operation: Operation<Value>,
    options: CallOptions | undefined,
    tally: Outcomes = this.lease.tally,
  ): Promise<Value> {
    return this.#caller.call(operation, options).then(
      (value) => {
        tally.success();
        return value;
      },
      (error: unknown) => {
        if (this.isFailure(error, options)) tally.failure();
        throw error;
      },
    );
  }

  /** Nothing is known yet: the call runs beside the question, and counts under its answer. */
  #runCold<Value>(
    operation: Operation<Value>,
    options: CallOptions | undefined,
    now: number,
  ): Promise<Value> {
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

  async #settleCold(
    permitId: string,
    asked: Promise<SyncReply | null>,
    ended: Promise<ProbeOutcome>,
  ): Promise<void> {
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

  /**
   * A caller that no longer wants the answer does not wait for the object either; a permit that
   * comes all the same is given back.
   */
  #askUnlessAborted<Value>(
    operation: Operation<Value>,
    options: CallOptions | undefined,
    now: number,
  ): Promise<Value | CircuitOpen> {
    const asked = this.#ask(operation, options, now);
    if (options?.signal === undefined) return asked;
    this.#ports.background(asked.catch(() => undefined));
    return attempt(() => asked, null, options.signal, this.#clock);
  }

  /**
   * The open time is over: one call of the isolate asks the object, which lets one call of the
   * fleet probe.
   */
  async #ask<Value>(
    operation: Operation<Value>,
    options: CallOptions | undefined,
    now: number,
  ): Promise<Value | CircuitOpen> {
    if (this.#askingSince !== null && elapsedMs(this.#askingSince, now) < 2 * ASK_TIMEOUT_MS)
      return this.#rejection(0);
    options?.signal?.throwIfAborted();
    this.#askingSince = now;
    const permit = { id: this.#ports.newId(), askedAt: now, lastsMs: this.#permitMs };
    const reply = await this.lease.acquire(permit.id, permit.lastsMs, ASK_TIMEOUT_MS);
    this.#askingSince = null;
    if (reply?.granted) return await this.#probe(operation, options, permit);
    const { view, local } = this.lease;
    if (local !== null) return await this.#runLocally(operation, options, this.#clock.now(), local);
    const admission = view === null ? null : admissionUnder(view, this.#clock.now());
    if (admission?.do === "allow") return await this.#observe(operation, options);
    return this.#rejection(admission?.do === "reject" ? admission.retryAfterMs : 0);
  }

  /** One attempt, which ends with its permit. */
  async #probe<Value>(
    operation: Operation<Value>,
    options: CallOptions | undefined,
    permit: Permit,
    end: (outcome: ProbeOutcome) => void = (outcome) =>
      this.#ports.background(this.lease.endProbe(permit.id, outcome)),
  ): Promise<Value> {
    try {
      const value = await this.#caller.call(
        operation,
        options,
        Math.max(leftMs(permit, this.#clock.now()) - RETURN_MS, 0),
      );
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
    const permit = { id: this.#ports.newId(), askedAt: now, lastsMs: this.#permitMs };
    if (local.acquire(permit.id, permit.lastsMs)) {
      return this.#probe(operation, options, permit, (outcome) =>
        local.endProbe(permit.id, outcome),
      );
    }
    const { snapshot } = local;
    if (snapshot.state !== "CLOSED")
      return Promise.resolve(this.#rejection(suggestedRetryMs(snapshot, snapshot.retryAfterMs)));
    return this.#observe(operation, options, local.outcomes());
  }

  #rejection(retryAfterMs: number): CircuitOpen {
    this.#ports.rejected?.();
    const spread = Math.max(retryAfterMs, MIN_RETRY_AFTER_MS) + this.#ports.random() * JITTER_MS;
    return new CircuitOpen(this.#ports.dependency, Math.ceil(spread));
  }
}

/** One that throws before it returns a promise fails like any other. */
function called<Value>(operation: Operation<Value>): Promise<Value> {
  try {
    return operation(undefined);
  } catch (error) {
    return Promise.reject(error);
  }
}
