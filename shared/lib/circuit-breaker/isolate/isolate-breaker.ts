import { backoffMs } from "../../base/backoff.ts";
import { elapsedMs, sleep } from "../../base/clock.ts";
import { within } from "../../base/deadline.ts";
import type { SyncReply, SyncRequest } from "../rules/rpc.ts";
import type { ProbeOutcome } from "../rules/state.ts";
import { breakerFrom, isOutdated, type View } from "../rules/view.ts";
import type { Counts } from "../rules/window.ts";
import { leftMs, type HeldPermit, type IsolateBreakerPorts } from "./isolate-breaker-ports.ts";
import { LocalBreaker } from "./local-breaker.ts";
import { Tally } from "./tally.ts";

/** No call waits for these requests, so they may take longer than one that a call waits for. */
const BACKGROUND_TIMEOUT_MS = 2_000;
/** Failures within this time are sent in one report. */
const REPORT_DELAY_MS = 100;
/**
 * An isolate reports at most once per this time. Otherwise a fleet of a thousand isolates would
 * overload the object while some calls fail, but too few to open the breaker.
 */
const REPORT_GAP_MS = 1_000;
/** Background work that takes longer never ends: its request has died. */
const LOST_AFTER_MS = BACKGROUND_TIMEOUT_MS + 1_000;
const TIMEOUTS_UNTIL_LOCAL = 3;
/** How long a late reply is awaited, because it may bring a permit. */
const LATE_MS = 10_000;
/** How long an unused permit waits for a call of this isolate. */
const UNUSED_PERMIT_MS = 5_000;
const CONTACT_BACKOFF = { baseMs: 1_000, maxMs: 30_000 };

/**
 * What one isolate knows of a breaker: the latest snapshot, how long it is fresh, what was counted
 * since, and a local breaker while the object does not answer.
 *
 * A report is sent at most once. If its reply is lost, the object may or may not have counted it,
 * and counting a failure twice could open the breaker for nothing. Lost reports still count for the
 * local breaker.
 */
export class IsolateBreaker {
  /** The latest snapshot. Null before the first one, and while `local` replaces it. */
  view: View | null = null;
  local: LocalBreaker | null = null;
  tally: Tally;
  readonly #ports: IsolateBreakerPorts;
  #timeouts = 0;
  #lost: Counts = { failures: 0, calls: 0 };
  #renewingSince: number | null = null;
  #reportingSince: number | null = null;
  #reportedAt = 0;
  #nextContact = { since: 0, afterMs: 0 };
  #unusedPermit: HeldPermit | null = null;

  constructor(ports: IsolateBreakerPorts) {
    this.#ports = ports;
    this.tally = this.#newTally(null);
  }

  /** Whether nothing is known: the object has not answered yet, and there is no local breaker. */
  get isCold(): boolean {
    return this.view === null && this.local === null;
  }

  /** Whether the object answered the last request. */
  get reached(): boolean {
    return this.#timeouts === 0 && this.view !== null;
  }

  /**
   * Renews the snapshot in the background if it is outdated, or asks whether the object is back.
   * Does nothing while a renewal runs.
   */
  renewIfDue(now: number): void {
    const due =
      this.local === null
        ? this.view === null || isOutdated(this.view, now)
        : this.#contactIsDue(now);
    if (!due || isUnderWay(this.#renewingSince, now)) return;
    this.#renewingSince = now;
    this.#ports.background(this.#renew(undefined));
  }

  /**
   * Asks for a permit beside a cold call that already runs.
   *
   * @returns null if another call is asking
   */
  acquireBeside(id: string, lastsMs: number, now: number): Promise<SyncReply | null> | null {
    if (isUnderWay(this.#renewingSince, now)) return null;
    this.#renewingSince = now;
    return this.#renew({ id, lastsMs, cold: true });
  }

  /** Asks for a permit for a call that waits. @returns null if no reply came within `timeoutMs` */
  async acquire(id: string, lastsMs: number, timeoutMs: number): Promise<SyncReply | null> {
    return await this.#syncWithin(timeoutMs, { id, lastsMs, cold: false });
  }

  /**
   * Takes a permit that came too late for the call that asked for it. Without this, an object that
   * is only slow would never see a probe. A permit with less than `neededMs` left is given back:
   * its end would count as a failure of the dependency.
   */
  takeUnusedPermit(neededMs: number, now: number): HeldPermit | null {
    const unused = this.#unusedPermit;
    this.#unusedPermit = null;
    if (unused === null || leftMs(unused, now) >= neededMs) return unused;
    this.#ports.background(this.endProbe(unused.id, "ignored"));
    return null;
  }

  /** Reports how a probe ended, once. If that is lost, the permit expires. Never rejects. */
  async endProbe(permitId: string, outcome: ProbeOutcome): Promise<void> {
    const { object, clock } = this.#ports;
    const askedAt = clock.now();
    const askedUnder = this.view;
    try {
      const { snapshot } = await within(
        BACKGROUND_TIMEOUT_MS,
        object.endProbe({ permitId, outcome }),
        clock,
      );
      this.#onReply({ snapshot, askedAt, receivedAt: clock.now() }, askedUnder);
    } catch (error) {
      this.#onTimeout(error);
    }
  }

  /** Renews an outdated snapshot, and waits for that for at most `timeoutMs`. Never rejects. */
  async refresh(timeoutMs: number): Promise<void> {
    const now = this.#ports.clock.now();
    if (this.local !== null) this.renewIfDue(now);
    else if (this.view === null || isOutdated(this.view, now))
      await this.#syncWithin(timeoutMs, undefined);
  }

  async #renew(acquire: SyncRequest["acquire"]): Promise<SyncReply | null> {
    try {
      return await this.#syncWithin(BACKGROUND_TIMEOUT_MS, acquire);
    } finally {
      this.#renewingSince = null;
    }
  }

  /** @returns null if the object did not answer in time */
  async #syncWithin(timeoutMs: number, acquire: SyncRequest["acquire"]): Promise<SyncReply | null> {
    const { background, clock } = this.#ports;
    const pending = { askedAt: clock.now(), askedUnder: this.view, late: false };
    const reply = this.#sync(acquire, pending);
    try {
      return await within(timeoutMs, reply, clock);
    } catch (error) {
      pending.late = true;
      this.#onTimeout(error);
      if (acquire !== undefined)
        background(this.#keepUnusedPermit(reply, { ...acquire, askedAt: pending.askedAt }));
      return null;
    }
  }

  /** Keeps a late permit for the next call. A permit that no call takes is given back. */
  async #keepUnusedPermit(
    reply: Promise<SyncReply>,
    permit: HeldPermit & { cold: boolean },
  ): Promise<void> {
    const { clock } = this.#ports;
    const granted = await within(LATE_MS, reply, clock).then(
      (late) => late.granted,
      () => false,
    );
    if (!granted) return;
    if (!permit.cold && this.local === null) {
      this.#unusedPermit = permit;
      await sleep(clock, UNUSED_PERMIT_MS);
      if (this.#unusedPermit !== permit) return;
      this.#unusedPermit = null;
    }
    await this.endProbe(permit.id, "ignored");
  }

  /** Sends the tally along. Its counts are lost counts until the reply is there. */
  async #sync(acquire: SyncRequest["acquire"], pending: PendingSync): Promise<SyncReply> {
    const { object, clock } = this.#ports;
    const { epoch } = this.tally;
    const counts = epoch === null || !this.#objectCounts() ? null : this.tally.drain();
    if (counts !== null) this.#addLost(counts);
    const report =
      epoch === null || counts === null || (counts.calls === 0 && counts.failures === 0)
        ? undefined
        : { epoch, ...counts };
    const reply = await object.sync({ ...(report && { report }), ...(acquire && { acquire }) });
    const view = { snapshot: reply.snapshot, askedAt: pending.askedAt, receivedAt: clock.now() };
    // A reply after the timeout updates the snapshot but does not mark the object as reachable.
    if (!pending.late) this.#onReply(view, pending.askedUnder);
    else if (this.local === null) this.#adopt(view, pending.askedUnder);
    return reply;
  }

  #onReply(view: View, askedUnder: View | null): void {
    if (this.local !== null) this.#ports.notify({ event: "object_back" });
    this.#timeouts = 0;
    this.#lost = { failures: 0, calls: 0 };
    this.#adopt(view, askedUnder);
  }

  /**
   * Makes a view the current one, unless a later request's reply overtook it: the current view
   * came after this one was asked for, and has the same or a newer epoch.
   */
  #adopt(view: View, askedUnder: View | null): void {
    const { epoch } = view.snapshot;
    if (askedUnder !== this.view && this.view !== null && epoch <= this.view.snapshot.epoch) return;
    if (this.tally.epoch === null && this.local === null) this.tally.epoch = epoch;
    else if (this.tally.epoch !== epoch || this.local !== null) this.tally = this.#newTally(epoch);
    this.view = view;
    this.local = null;
    // Calls that began before the first snapshot may have failed meanwhile.
    if (this.tally.failures > 0) this.#reportSoon();
  }

  /** The object did not answer in time, or failed. */
  #onTimeout(error: unknown): void {
    const { settings, clock, random, notify } = this.#ports;
    const now = clock.now();
    this.#timeouts += 1;
    if (this.local === null && (this.view === null || this.#timeouts >= TIMEOUTS_UNTIL_LOCAL)) {
      // Calls from before the first snapshot belong to no epoch that a later reply could name.
      this.#addLost(this.tally.drain());
      this.tally = this.#newTally(null);
    }
    if (this.#timeouts < TIMEOUTS_UNTIL_LOCAL) return;
    if (this.local === null) {
      this.local = new LocalBreaker(
        breakerFrom(this.view, this.#lost, settings, now),
        settings,
        clock,
      );
      this.view = null;
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

  #contactIsDue(now: number): boolean {
    return elapsedMs(this.#nextContact.since, now) >= this.#nextContact.afterMs;
  }

  #reportSoon(): void {
    const { background, clock } = this.#ports;
    const now = clock.now();
    if (!this.#objectCounts() || isUnderWay(this.#reportingSince, now)) return;
    this.#reportingSince = now;
    background(
      this.#reportAfter(
        Math.max(REPORT_DELAY_MS, REPORT_GAP_MS - elapsedMs(this.#reportedAt, now)),
      ),
    );
  }

  async #reportAfter(delayMs: number): Promise<void> {
    const { clock } = this.#ports;
    await sleep(clock, delayMs);
    this.#reportingSince = null;
    this.#reportedAt = clock.now();
    if (this.tally.failures === 0 || this.local !== null) return;
    await this.#syncWithin(BACKGROUND_TIMEOUT_MS, undefined);
  }

  /** In any other state the object drops reports, so none is sent. */
  #objectCounts(): boolean {
    const snapshot = this.view?.snapshot;
    return snapshot?.state === "CLOSED" && snapshot.override.kind !== "disabled";
  }

  #newTally(epoch: number | null): Tally {
    return new Tally(epoch, () => this.#reportSoon());
  }
}

/** `askedUnder`: the current view when the request was sent. `late`: its time is over. */
type PendingSync = { askedAt: number; askedUnder: View | null; late: boolean };

function isUnderWay(since: number | null, now: number): boolean {
  return since !== null && elapsedMs(since, now) < LOST_AFTER_MS;
}
