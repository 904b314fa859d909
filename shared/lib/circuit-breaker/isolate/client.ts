import { elapsedMs, type Clock } from "../../base/clock.ts";
import type { SyncReply } from "../rules/rpc.ts";
import type { ProbeOutcome } from "../rules/state.ts";
import { admissionUnder, suggestedRetryMs, type Admission, type View } from "../rules/view.ts";
import { boundedCall, type GuardedCall } from "./bounded-call.ts";
import { CircuitOpen } from "./circuit-open.ts";
import { Executor, type CallOptions, type CallPolicy } from "./executor.ts";
import { leftMs, type HeldPermit, type IsolateBreakerPorts } from "./isolate-breaker-ports.ts";
import type { IsolateBreaker } from "./isolate-breaker.ts";
import type { LocalBreaker } from "./local-breaker.ts";
import type { Outcomes } from "./tally.ts";

export type ClientPorts = Pick<IsolateBreakerPorts, "background" | "clock" | "random"> & {
  dependency: string;
  policy: CallPolicy;
  breaker: IsolateBreaker;
  newId: () => string;
  /** Called for each call that is rejected. */
  rejected?: () => void;
};

type Closed = {
  view: View;
  askedAt: number;
  freshMs: number;
  succeeded: <Value>(value: Value) => Value;
  failed: (error: unknown) => never;
};

/** The only wait for the object that a caller ever has: for the permit of its probe. */
const ASK_TIMEOUT_MS = 1_000;
/** A permit outlasts its call by this: for the wait before it, and for the report after it. */
const PERMIT_MARGIN_MS = 5_000;
/** A probe ends this long before its permit, so that its outcome reaches the object in time. */
const RETURN_MS = 500;
/** Callers that were rejected together come back spread over this. */
const JITTER_MS = 1_000;
const MIN_RETRY_AFTER_MS = 100;

/**
 * Guards the calls of one isolate to one dependency. Under a fresh snapshot, CLOSED costs one
 * comparison and OPEN one rejection. Neither waits for the object.
 */
export class BreakerClient {
  readonly breaker: IsolateBreaker;
  readonly #ports: ClientPorts;
  readonly #clock: Clock;
  readonly #executor: Executor;
  readonly #permitMs: number;
  #askingSince: number | null = null;
  #closed: Closed | null = null;

  constructor(ports: ClientPorts) {
    this.#ports = ports;
    this.#clock = ports.clock;
    this.#executor = new Executor(ports.policy, ports.clock);
    this.#permitMs = ports.policy.timeoutMs + PERMIT_MARGIN_MS;
    this.breaker = ports.breaker;
  }

  /**
   * Runs a call if the breaker admits it.
   *
   * @returns what the call returns, or `CircuitOpen`
   * @throws what the call throws; CallTimeout; the reason of the caller's signal
   */
  run<Value>(call: GuardedCall<Value>, options?: CallOptions): Promise<Value | CircuitOpen> {
    const { breaker } = this;
    const now = this.#clock.now();
    const closed = this.#closed;
    if (closed !== null && closed.view === breaker.view && options === undefined) {
      const ageMs = now - closed.askedAt;
      if (ageMs >= 0 && ageMs < closed.freshMs)
        return started(call).then(closed.succeeded, closed.failed);
    }
    if (breaker.local !== null) return this.#runLocally(call, options, now, breaker.local);
    if (breaker.view === null) return this.#runCold(call, options, now);
    breaker.renewIfDue(now);
    const unused = breaker.takeUnusedPermit(this.#ports.policy.timeoutMs + RETURN_MS, now);
    if (unused !== null) return this.#probe(call, options, unused);
    const admission = admissionUnder(breaker.view, now);
    switch (admission.do) {
      case "allow":
        this.#rememberClosed(breaker.view);
        return this.#observe(call, options);
      case "reject":
        return Promise.resolve(this.#rejection(admission.retryAfterMs));
      case "probe":
        return this.#askUnlessAborted(call, options, now);
    }
  }

  /** What the breaker would decide about a call now. It allows calls while nothing is known. */
  admission(): Admission {
    const { view, local } = this.breaker;
    if (local === null)
      return view === null ? { do: "allow" } : admissionUnder(view, this.#clock.now());
    const { snapshot } = local;
    if (snapshot.state === "CLOSED") return { do: "allow" };
    const retryAfterMs = suggestedRetryMs(snapshot, snapshot.retryAfterMs);
    return retryAfterMs > 0 ? { do: "reject", retryAfterMs } : { do: "probe" };
  }

  /** Renews an outdated snapshot, and waits for that for at most `timeoutMs`. Never rejects. */
  async refresh(timeoutMs: number): Promise<void> {
    await this.breaker.refresh(timeoutMs);
  }

  /** Whether what `run` threw counts as a failure of the dependency. */
  isFailure(error: unknown, options?: CallOptions): boolean {
    return this.#executor.outcomeOf(error, options) === "failure";
  }

  /**
   * Prepares the handlers that all calls under one snapshot share, so that a call need not make its
   * own. Calls that need a timer or a signal make their own.
   */
  #rememberClosed(view: View): void {
    if (!this.#ports.policy.calleeTimesOut || this.#closed?.view === view) return;
    const { tally } = this.breaker;
    this.#closed = {
      view,
      askedAt: view.askedAt,
      freshMs: view.snapshot.leaseMs,
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

  /** Runs a call that was admitted while closed, and counts its outcome. */
  #observe<Value>(
    call: GuardedCall<Value>,
    options: CallOptions | undefined,
    outcomes: Outcomes = this.breaker.tally,
  ): Promise<Value> {
    return this.#executor.run(call, options).then(
      (value) => {
        outcomes.success();
        return value;
      },
      (error: unknown) => {
        if (this.isFailure(error, options)) outcomes.failure();
        throw error;
      },
    );
  }

  /** Nothing is known yet. The call runs while the object is asked, and counts under its reply. */
  #runCold<Value>(
    call: GuardedCall<Value>,
    options: CallOptions | undefined,
    now: number,
  ): Promise<Value> {
    const permitId = this.#ports.newId();
    const asked = this.breaker.acquireBeside(permitId, this.#permitMs, now);
    if (asked === null) return this.#observe(call, options);
    const answer = this.#executor.run(call, options);
    const ended = answer.then(
      () => "success" as const,
      (error: unknown) => this.#executor.outcomeOf(error, options),
    );
    this.#ports.background(this.#settleCold(permitId, asked, ended));
    return answer;
  }

  async #settleCold(
    permitId: string,
    asked: Promise<SyncReply | null>,
    ended: Promise<ProbeOutcome>,
  ): Promise<void> {
    const reply = await asked;
    const { tally, local } = this.breaker;
    const outcome = await ended;
    if (reply?.granted) await this.breaker.endProbe(permitId, outcome);
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
   * A caller that aborts does not wait for the object either. A permit that comes afterwards is
   * given back.
   */
  #askUnlessAborted<Value>(
    call: GuardedCall<Value>,
    options: CallOptions | undefined,
    now: number,
  ): Promise<Value | CircuitOpen> {
    const asked = this.#ask(call, options, now);
    if (options?.signal === undefined) return asked;
    this.#ports.background(asked.catch(() => undefined));
    return boundedCall(() => asked, null, options.signal, this.#clock);
  }

  /**
   * The open time is over. One call of the isolate asks the object, which lets one call of the
   * fleet probe.
   */
  async #ask<Value>(
    call: GuardedCall<Value>,
    options: CallOptions | undefined,
    now: number,
  ): Promise<Value | CircuitOpen> {
    if (this.#askingSince !== null && elapsedMs(this.#askingSince, now) < 2 * ASK_TIMEOUT_MS)
      return this.#rejection(0);
    options?.signal?.throwIfAborted();
    this.#askingSince = now;
    const permit = { id: this.#ports.newId(), askedAt: now, lastsMs: this.#permitMs };
    const reply = await this.breaker.acquire(permit.id, permit.lastsMs, ASK_TIMEOUT_MS);
    this.#askingSince = null;
    if (reply?.granted) return await this.#probe(call, options, permit);
    const { view, local } = this.breaker;
    if (local !== null) return await this.#runLocally(call, options, this.#clock.now(), local);
    const admission = view === null ? null : admissionUnder(view, this.#clock.now());
    if (admission?.do === "allow") return await this.#observe(call, options);
    return this.#rejection(admission?.do === "reject" ? admission.retryAfterMs : 0);
  }

  /** Runs a call as the probe. It ends no later than its permit. */
  async #probe<Value>(
    call: GuardedCall<Value>,
    options: CallOptions | undefined,
    permit: HeldPermit,
    end: (outcome: ProbeOutcome) => void = (outcome) =>
      this.#ports.background(this.breaker.endProbe(permit.id, outcome)),
  ): Promise<Value> {
    try {
      const value = await this.#executor.run(
        call,
        options,
        Math.max(leftMs(permit, this.#clock.now()) - RETURN_MS, 0),
      );
      end("success");
      return value;
    } catch (error) {
      end(this.#executor.outcomeOf(error, options));
      throw error;
    }
  }

  #runLocally<Value>(
    call: GuardedCall<Value>,
    options: CallOptions | undefined,
    now: number,
    local: LocalBreaker,
  ): Promise<Value | CircuitOpen> {
    this.breaker.renewIfDue(now);
    const permit = { id: this.#ports.newId(), askedAt: now, lastsMs: this.#permitMs };
    if (local.acquire(permit.id, permit.lastsMs)) {
      return this.#probe(call, options, permit, (outcome) => local.endProbe(permit.id, outcome));
    }
    const { snapshot } = local;
    if (snapshot.state !== "CLOSED")
      return Promise.resolve(this.#rejection(suggestedRetryMs(snapshot, snapshot.retryAfterMs)));
    return this.#observe(call, options, local.outcomes());
  }

  #rejection(retryAfterMs: number): CircuitOpen {
    this.#ports.rejected?.();
    const jitteredMs =
      Math.max(retryAfterMs, MIN_RETRY_AFTER_MS) + this.#ports.random() * JITTER_MS;
    return new CircuitOpen(this.#ports.dependency, Math.ceil(jitteredMs));
  }
}

/** Starts a call. One that throws before it returns a promise fails like any other. */
function started<Value>(call: GuardedCall<Value>): Promise<Value> {
  try {
    return call(undefined);
  } catch (error) {
    return Promise.reject(error);
  }
}
