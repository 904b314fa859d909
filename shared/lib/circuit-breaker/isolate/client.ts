import type { Clock } from "../../base/clock.ts";
import {
  admissionUnder,
  shareUnder,
  suggestedRetryMs,
  type Admission,
  type HeldSnapshot,
} from "../rules/admission.ts";
import { REPORT_DELAY_MS } from "../rules/evidence.ts";
import { ASK_TIMEOUT_MS } from "./asking.ts";
import { boundedCall, started, type GuardedCall } from "./bounded-call.ts";
import { CircuitOpen, jitteredMs } from "./circuit-open.ts";
import type { ClientPorts, SnapshotHandlers } from "./client-ports.ts";
import { settleCold } from "./cold-call.ts";
import { Executor, type CallOptions, type Ended } from "./executor.ts";
import { requestedWaitMs } from "./http-answer.ts";
import { leftMs, type HeldPermit } from "./isolate-breaker-ports.ts";
import type { IsolateBreaker } from "./isolate-breaker.ts";
import type { LocalBreaker } from "./local-breaker.ts";
import { outcomesInPause } from "./pausing.ts";
import { presentAdmission } from "./present-admission.ts";
import { note, type Outcomes, type Tally } from "./tally.ts";

/** A permit outlasts its call by this: for the wait before it, and for the report after it. */
const PERMIT_MARGIN_MS = 5_000;
/** A probe ends this long before its permit, so that its outcome reaches the object in time. */
const RETURN_MS = 500;
/** A call that a ramp rejects should try again when the share is larger. */
const RAMP_RETRY_MS = 1_000;

/**
 * Guards the calls of one isolate to one dependency, with the time limit and the fault rules of one
 * caller. Under a fresh snapshot, CLOSED costs one comparison and OPEN one rejection. Neither waits
 * for the object.
 */
export class BreakerClient {
  readonly breaker: IsolateBreaker;
  readonly #ports: ClientPorts;
  readonly #clock: Clock;
  readonly #executor: Executor;
  #closed: SnapshotHandlers | null = null;

  constructor(ports: ClientPorts) {
    const { policy, clock, breaker } = ports;
    this.#ports = ports;
    this.#clock = clock;
    this.#executor = new Executor(policy, clock);
    this.breaker = breaker;
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
    if (closed !== null && closed.held === breaker.allowing && options === undefined) {
      const ageMs = now - closed.askedAt;
      if (ageMs >= 0 && ageMs < closed.freshMs)
        return started(call).then(closed.succeeded, closed.failed);
    }
    if (breaker.local !== null) return this.#runLocally(call, options, now, breaker.local);
    if (breaker.held === null) return this.#runCold(call, options, now);
    const unused = breaker.takeUnusedPermit(this.#executor.timeoutMs(options) + RETURN_MS, now);
    if (unused !== null) return this.#probe(call, options, unused);
    const admission = admissionUnder(breaker.held, now);
    switch (admission.do) {
      case "allow":
        // The renewal waits for the outcome of this call, which it can report.
        breaker.renewIfDue(now, REPORT_DELAY_MS);
        return this.#runAllowed(call, options, now, admission.share);
      case "reject":
        breaker.renewIfDue(now);
        return Promise.resolve(this.#rejection(admission.retryAfterMs));
      case "probe":
        return this.#askUnlessAborted(call, options, now);
    }
  }

  /** What the breaker would decide about a call now. It allows calls while nothing is known. */
  admission(): Admission {
    return presentAdmission(this.breaker, this.#clock.now());
  }

  /** Renews an outdated snapshot, and waits for that for at most `timeoutMs`. Never rejects. */
  async refresh(timeoutMs: number): Promise<void> {
    await this.breaker.refresh(timeoutMs);
  }

  /** Whether what `run` threw counts as a failure, and how long the dependency asked to wait. */
  afterError(error: unknown, options?: CallOptions): { isFailure: boolean; retryAfterMs: number } {
    const { outcome, retryAfterMs } = this.#executor.afterError(error, options);
    return { isFailure: outcome === "failure", retryAfterMs };
  }

  /** The same for what `run` returned. */
  afterResult(result: unknown): { isFailure: boolean; retryAfterMs: number } {
    if (!this.#executor.isFailedResult(result)) return { isFailure: false, retryAfterMs: 0 };
    return { isFailure: true, retryAfterMs: requestedWaitMs(result, this.#clock.now()) };
  }

  #runAllowed<Value>(
    call: GuardedCall<Value>,
    options: CallOptions | undefined,
    now: number,
    share: number | undefined,
  ): Promise<Value | CircuitOpen> {
    const { held, tally } = this.breaker;
    if (share !== undefined && options?.isInShare !== true && this.#ports.random() >= share)
      return Promise.resolve(this.#rejection(RAMP_RETRY_MS));
    if (tally.pause.isOn) return this.#runInPause(call, options, now, tally);
    if (share === undefined && held !== null) this.#rememberClosed(held);
    return this.#observe(call, options);
  }

  /**
   * Prepares the handlers that all calls under one snapshot share, so that a call need not make its
   * own. Calls that need a timer, a signal or a look at their result make their own.
   */
  #rememberClosed(held: HeldSnapshot): void {
    if (!this.#ports.policy.calleeTimesOut || !this.#executor.resultsAreSuccesses) return;
    if (this.#closed?.held === held) return;
    const { tally } = this.breaker;
    this.#closed = {
      held,
      askedAt: held.askedAt,
      freshMs: held.snapshot.leaseMs,
      succeeded: (value) => {
        tally.calls += 1;
        return value;
      },
      failed: (error) => {
        note(this.#executor.afterError(error, undefined), tally);
        throw error;
      },
    };
  }

  /** Runs a call that was admitted while closed or in a ramp, and counts its outcome. */
  #observe<Value>(
    call: GuardedCall<Value>,
    options: CallOptions | undefined,
    outcomes: Outcomes = this.breaker.tally,
  ): Promise<Value> {
    const ended = this.#executor.watch();
    return this.#executor.run(call, options).then(
      (value) => {
        note(ended(value), outcomes);
        return value;
      },
      (error: unknown) => {
        note(this.#executor.afterError(error, options), outcomes);
        throw error;
      },
    );
  }

  /**
   * All calls of this isolate failed lately: it holds its calls back, although the breaker is
   * closed for the fleet. After each pause one call tries.
   */
  #runInPause<Value>(
    call: GuardedCall<Value>,
    options: CallOptions | undefined,
    now: number,
    tally: Tally,
  ): Promise<Value | CircuitOpen> {
    const heldMs = tally.pause.leftMs(now);
    if (heldMs > 0) {
      tally.hold();
      return Promise.resolve(this.#rejection(heldMs));
    }
    tally.pause.try(now, this.#executor.timeoutMs(options) + RETURN_MS);
    const ended = outcomesInPause(tally, this.#clock, () => this.breaker.updateAllowing());
    return this.#observe(call, options, ended);
  }

  /** Nothing is known yet. The call runs while the object is asked, and counts under its reply. */
  #runCold<Value>(
    call: GuardedCall<Value>,
    options: CallOptions | undefined,
    now: number,
  ): Promise<Value> {
    const permitId = this.#ports.newId();
    const asked = this.breaker.acquireBeside(permitId, this.#permitMs(options), now);
    if (asked === null) return this.#observe(call, options);
    const ended = this.#executor.watch();
    const answer = this.#executor.run(call, options);
    const end = answer.then(ended, (error: unknown) => this.#executor.afterError(error, options));
    this.#ports.background(settleCold(this.breaker, permitId, asked, end));
    return answer;
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
   * The open time is over, or the snapshot of a ramp is old. One call of the isolate asks the
   * object, which lets one call of the fleet probe.
   */
  async #ask<Value>(
    call: GuardedCall<Value>,
    options: CallOptions | undefined,
    now: number,
  ): Promise<Value | CircuitOpen> {
    const { breaker } = this;
    if (!breaker.asking.begin(breaker.held, now)) return await this.#meanwhile(call, options);
    options?.signal?.throwIfAborted();
    const permit = { id: this.#ports.newId(), askedAt: now, lastsMs: this.#permitMs(options) };
    const reply = await breaker.acquire(permit.id, permit.lastsMs, ASK_TIMEOUT_MS);
    breaker.asking.end(now);
    if (reply?.granted) return await this.#probe(call, options, permit);
    const { held, local } = breaker;
    const then = this.#clock.now();
    if (local !== null) return await this.#runLocally(call, options, then, local);
    const admission = held === null ? null : admissionUnder(held, then);
    if (admission?.do === "allow")
      return await this.#runAllowed(call, options, then, admission.share);
    return this.#rejection(admission?.do === "reject" ? admission.retryAfterMs : 0);
  }

  /** While another call of this isolate asks, the last known share of a ramp holds. */
  async #meanwhile<Value>(
    call: GuardedCall<Value>,
    options: CallOptions | undefined,
  ): Promise<Value | CircuitOpen> {
    const { held } = this.breaker;
    if (held?.snapshot.ramp === undefined) return this.#rejection(0);
    const now = this.#clock.now();
    return await this.#runAllowed(call, options, now, shareUnder(held, now));
  }

  /** Runs a call as the probe. It ends no later than its permit. */
  async #probe<Value>(
    call: GuardedCall<Value>,
    options: CallOptions | undefined,
    permit: HeldPermit,
    end: (ended: Ended) => void = (ended) =>
      this.#ports.background(this.breaker.endProbe(permit.id, ended)),
  ): Promise<Value> {
    const ended = this.#executor.watch();
    try {
      const value = await this.#executor.run(
        call,
        options,
        Math.max(leftMs(permit, this.#clock.now()) - RETURN_MS, 0),
      );
      end(ended(value));
      return value;
    } catch (error) {
      end(this.#executor.afterError(error, options));
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
    const permit = { id: this.#ports.newId(), askedAt: now, lastsMs: this.#permitMs(options) };
    if (local.acquire(permit.id, permit.lastsMs)) {
      return this.#probe(call, options, permit, (ended) => local.endProbe(permit.id, ended));
    }
    const { snapshot } = local;
    if (snapshot.state !== "CLOSED")
      return Promise.resolve(this.#rejection(suggestedRetryMs(snapshot, snapshot.retryAfterMs)));
    return this.#observe(call, options, local.outcomes());
  }

  #permitMs(options: CallOptions | undefined): number {
    return this.#executor.timeoutMs(options) + PERMIT_MARGIN_MS;
  }

  #rejection(retryAfterMs: number): CircuitOpen {
    this.#ports.rejected?.();
    return new CircuitOpen(this.#ports.dependency, jitteredMs(retryAfterMs, this.#ports.random()));
  }
}
