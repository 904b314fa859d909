import { backoffMs } from "../../base/backoff.ts";
import { elapsedMs, sleep } from "../../base/clock.ts";
import { within } from "../../base/deadline.ts";
import { breakerFrom, heldFrom, isOutdated, type HeldSnapshot } from "../rules/admission.ts";
import type { Snapshot } from "../rules/phase.ts";
import type { BreakerSyncReply, BreakerSyncRequest } from "../rules/rpc.ts";
import type { Counts } from "../rules/window.ts";
import { Asking } from "./asking.ts";
import { givenBack, type Ended } from "./executor.ts";
import {
  BACKGROUND_TIMEOUT_MS,
  isUnderWay,
  type HeldPermit,
  type IsolateBreakerPorts,
  type PendingSync,
} from "./isolate-breaker-ports.ts";
import { LocalBreaker } from "./local-breaker.ts";
import { hasToPause } from "./pausing.ts";
import { Reporter } from "./reporter.ts";
import { dialectOf, probeFields, reportOf, requestOf, type Dialect } from "./requests.ts";
import { Tally } from "./tally.ts";
import { UnusedPermit } from "./unused-permit.ts";

const TIMEOUTS_UNTIL_LOCAL = 3;
const CONTACT_BACKOFF = { baseMs: 1_000, maxMs: 30_000 };

/**
 * What one isolate has of a breaker: the latest snapshot, how long it is fresh, what was counted
 * since, and a local breaker while the object does not answer.
 *
 * A report is sent at most once. If its reply is lost, the object may or may not have counted it,
 * and counting a failure twice could open the breaker for nothing. Lost reports still count for the
 * local breaker.
 */
export class IsolateBreaker {
  /** The latest snapshot. Null before the first one, and while `local` replaces it. */
  held: HeldSnapshot | null = null;
  /** The same while it allows every call: CLOSED, and this isolate does not pause. */
  allowing: HeldSnapshot | null = null;
  local: LocalBreaker | null = null;
  tally: Tally;
  readonly asking = new Asking();
  readonly #ports: IsolateBreakerPorts;
  readonly #reporter: Reporter;
  readonly #unusedPermit: UnusedPermit;
  #timeouts = 0;
  #lost: Counts = { failures: 0, calls: 0 };
  #renewingSince: number | null = null;
  #renewalWaits = false;
  /** Since when the tally counts. */
  #drainedAt: number;
  #nextContact = { since: 0, afterMs: 0 };
  /** What the object understands. One that fails may be of an older release. */
  #dialect: Dialect = "plain";

  constructor(ports: IsolateBreakerPorts) {
    this.#ports = ports;
    this.#drainedAt = ports.clock.now();
    this.#reporter = new Reporter(ports, () => this.#report());
    const giveBack = (permitId: string): Promise<void> => this.endProbe(permitId, givenBack);
    this.#unusedPermit = new UnusedPermit({ ...ports, giveBack });
    this.tally = this.#newTally(null);
  }

  /** Whether nothing is known: the object has not answered yet, and there is no local breaker. */
  get isCold(): boolean {
    return this.held === null && this.local === null;
  }

  /** Whether the object answered the last request. */
  get reached(): boolean {
    return this.#timeouts === 0 && this.held !== null;
  }

  /**
   * Renews the snapshot in the background if it is outdated, or asks whether the object is back.
   * Does nothing while a renewal runs.
   *
   * @param delayMs the renewal waits for this, so that it reports the outcome of a call that begins
   */
  renewIfDue(now: number, delayMs = 0): void {
    const due =
      this.local === null
        ? this.held === null || isOutdated(this.held, now)
        : elapsedMs(this.#nextContact.since, now) >= this.#nextContact.afterMs;
    if (!due || isUnderWay(this.#renewingSince, now)) return;
    this.#renewingSince = now;
    this.#renewalWaits = delayMs > 0 && this.local === null;
    this.#ports.background(this.#renewalWaits ? this.#renewAfter(delayMs) : this.#renew(undefined));
  }

  async #renewAfter(delayMs: number): Promise<void> {
    await sleep(this.#ports.clock, delayMs);
    this.#renewalWaits = false;
    await this.#renew(undefined);
  }

  /**
   * Asks for a permit beside a cold call that already runs.
   *
   * @returns null if another call is asking
   */
  acquireBeside(id: string, lastsMs: number, now: number): Promise<BreakerSyncReply | null> | null {
    if (isUnderWay(this.#renewingSince, now)) return null;
    this.#renewingSince = now;
    this.#renewalWaits = false;
    return this.#renew({ id, lastsMs, cold: true });
  }

  /** Asks for a permit for a call that waits. @returns null if no reply came within `timeoutMs` */
  async acquire(id: string, lastsMs: number, timeoutMs: number): Promise<BreakerSyncReply | null> {
    return await this.#syncWithin(timeoutMs, { id, lastsMs, cold: false });
  }

  /** Takes a permit that came too late for the call that asked for it. */
  takeUnusedPermit(neededMs: number, now: number): HeldPermit | null {
    return this.#unusedPermit.take(neededMs, now);
  }

  /** Reports how a probe ended, once. If that is lost, the permit expires. Never rejects. */
  async endProbe(permitId: string, ended: Ended): Promise<void> {
    const { object, clock } = this.#ports;
    const askedAt = clock.now();
    const askedUnder = this.held;
    try {
      const request = { permitId, ...probeFields(ended, this.#dialect) };
      const { snapshot } = await within(BACKGROUND_TIMEOUT_MS, object.endProbe(request), clock);
      this.#onReply(this.#heldFrom(snapshot, askedAt), askedUnder);
    } catch (failure) {
      this.#dialect = "plain";
      this.#onTimeout(failure);
    }
  }

  /** Renews an outdated snapshot, and waits for that for at most `timeoutMs`. Never rejects. */
  async refresh(timeoutMs: number): Promise<void> {
    const now = this.#ports.clock.now();
    if (this.local !== null) this.renewIfDue(now);
    else if (this.held === null || isOutdated(this.held, now))
      await this.#syncWithin(timeoutMs, undefined);
  }

  async #renew(acquire: BreakerSyncRequest["acquire"]): Promise<BreakerSyncReply | null> {
    try {
      return await this.#syncWithin(BACKGROUND_TIMEOUT_MS, acquire);
    } finally {
      this.#renewingSince = null;
    }
  }

  /** @returns null if the object did not answer in time */
  async #syncWithin(
    timeoutMs: number,
    acquire: BreakerSyncRequest["acquire"],
  ): Promise<BreakerSyncReply | null> {
    const { background, clock } = this.#ports;
    const pending = { askedAt: clock.now(), askedUnder: this.held, late: false };
    const reply = this.#sync(acquire, pending);
    try {
      return await within(timeoutMs, reply, clock);
    } catch (error) {
      pending.late = true;
      this.#dialect = "plain";
      this.#onTimeout(error);
      if (acquire !== undefined) {
        const permit = { ...acquire, askedAt: pending.askedAt };
        const mayWait = (): boolean => !acquire.cold && this.local === null;
        background(this.#unusedPermit.keep(reply, permit, mayWait));
      }
      return null;
    }
  }

  /** Sends the tally along. Its counts are lost counts until the reply is there. */
  async #sync(
    acquire: BreakerSyncRequest["acquire"],
    pending: PendingSync,
  ): Promise<BreakerSyncReply> {
    const { object, clock, thresholds } = this.#ports;
    const now = clock.now();
    const { epoch, lastError } = this.tally;
    const counts = epoch === null || !this.#objectCounts() ? null : this.tally.drain();
    const overMs = now - Math.min(this.#drainedAt, now);
    if (counts !== null) {
      this.#addLost(counts);
      this.#drainedAt = now;
    }
    const report =
      epoch === null || counts === null
        ? undefined
        : reportOf({ epoch, counts, overMs, lastError }, this.#dialect);
    const reply = await object.sync(requestOf({ report, acquire, thresholds }, this.#dialect));
    this.#dialect = dialectOf(reply);
    const held = this.#heldFrom(reply.snapshot, pending.askedAt);
    // A reply after the timeout updates the snapshot but does not mark the object as reachable.
    if (!pending.late) this.#onReply(held, pending.askedUnder);
    else if (this.local === null) this.#adopt(held, pending.askedUnder);
    return reply;
  }

  #heldFrom(received: Snapshot, askedAt: number): HeldSnapshot {
    const { clock, random, settings } = this.#ports;
    const times = { askedAt, receivedAt: clock.now() };
    return heldFrom(received, times, settings.leaseMs, random);
  }

  #onReply(held: HeldSnapshot, askedUnder: HeldSnapshot | null): void {
    if (this.local !== null) this.#ports.notify({ event: "object_back" });
    this.#timeouts = 0;
    this.#lost = { failures: 0, calls: 0 };
    this.#adopt(held, askedUnder);
  }

  /**
   * Makes a snapshot the current one, unless a later request's reply overtook it: the current one
   * came after this one was asked for, and has the same or a newer epoch.
   */
  #adopt(held: HeldSnapshot, askedUnder: HeldSnapshot | null): void {
    const { epoch } = held.snapshot;
    if (askedUnder !== this.held && this.held !== null && epoch <= this.held.snapshot.epoch) return;
    if (this.tally.epoch === null && this.local === null) this.tally.epoch = epoch;
    else if (this.tally.epoch !== epoch || this.local !== null) this.tally = this.#newTally(epoch);
    this.held = held;
    this.local = null;
    this.updateAllowing();
    // Calls that began before the first snapshot may have failed meanwhile.
    if (this.tally.hasEvidence) this.#reportSoon(held.receivedAt);
  }

  updateAllowing(): void {
    const isAllowing = this.held?.snapshot.state === "CLOSED" && !this.tally.pause.isOn;
    this.allowing = isAllowing ? this.held : null;
  }

  /** The object did not answer in time, or failed. */
  #onTimeout(error: unknown): void {
    const { settings, clock, random, notify } = this.#ports;
    const now = clock.now();
    this.#timeouts += 1;
    if (this.local === null && (this.held === null || this.#timeouts >= TIMEOUTS_UNTIL_LOCAL)) {
      // Calls from before the first snapshot belong to no epoch that a later reply could name.
      this.#addLost(this.tally.drain());
      this.tally = this.#newTally(null);
    }
    if (this.#timeouts < TIMEOUTS_UNTIL_LOCAL) return;
    if (this.local === null) {
      this.local = new LocalBreaker(
        breakerFrom(this.held, this.#lost, settings, now),
        settings,
        clock,
      );
      this.held = null;
      this.updateAllowing();
      notify({ event: "object_lost", error });
    }
    this.#nextContact = {
      since: now,
      afterMs: backoffMs(CONTACT_BACKOFF, this.#timeouts - TIMEOUTS_UNTIL_LOCAL + 1, random()),
    };
  }

  #addLost({ failures, calls }: Counts): void {
    this.#lost = { failures: this.#lost.failures + failures, calls: this.#lost.calls + calls };
  }

  /** A call failed, was slow or was held back. */
  #onEvidence(tally: Tally): void {
    const { clock, settings } = this.#ports;
    const now = clock.now();
    if (tally === this.tally && hasToPause(tally, this.held?.snapshot, settings, now)) {
      tally.pause.begin(now);
      this.updateAllowing();
    }
    this.#reportSoon(now);
  }

  #reportSoon(now: number): void {
    if (!this.#objectCounts()) return;
    // A renewal that waits reports it.
    if (this.#renewalWaits && isUnderWay(this.#renewingSince, now)) return;
    this.#reporter.soon(now, this.held?.crowd ?? 1);
  }

  async #report(): Promise<void> {
    if (this.tally.hasEvidence && this.local === null)
      await this.#syncWithin(BACKGROUND_TIMEOUT_MS, undefined);
  }

  /** In any other state the object drops reports, so none is sent. */
  #objectCounts(): boolean {
    const snapshot = this.held?.snapshot;
    if (snapshot === undefined || snapshot.override.kind === "disabled") return false;
    return snapshot.state === "CLOSED" || snapshot.ramp !== undefined;
  }

  #newTally(epoch: number | null): Tally {
    return new Tally(epoch, this.#ports.clock, (tally) => this.#onEvidence(tally));
  }
}
