import { backoffMs } from "../../base/backoff.ts";
import { elapsedMs, sleep } from "../../base/clock.ts";
import { within } from "../../base/deadline.ts";
import type { SyncReply, SyncRequest } from "../rules/rpc.ts";
import type { ProbeOutcome } from "../rules/state.ts";
import { breakerFrom, leaseIsOver, type View } from "../rules/view.ts";
import type { Counts } from "../rules/window.ts";
import { LocalBreaker } from "./local.ts";
import { leftMs, type LeasePorts, type Permit } from "./snapshot-ports.ts";
import { Tally } from "./tally.ts";

/** Nobody waits for these, so they may take longer than a question that a call waits for. */
const BACKGROUND_TIMEOUT_MS = 2_000;
/** Failures that come together are reported together... */
const REPORT_DELAY_MS = 100;
/**
 * ...and while a dependency fails for some, but for too few to open, a fleet of a thousand isolates
 * must not drown the object.
 */
const REPORT_GAP_MS = 1_000;
/** Background work that has not ended by then never will: the request that held it is gone. */
const LOST_AFTER_MS = BACKGROUND_TIMEOUT_MS + 1_000;
const MISSES_UNTIL_LOCAL = 3;
/**
 * For how long an answer that is late is still listened to, for the sake of the permit that it may
 * bring...
 */
const LATE_MS = 10_000;
/** ...and for how long that permit waits for a call of this isolate. */
const SPARE_MS = 5_000;
const CONTACT_BACKOFF = { baseMs: 1_000, maxMs: 30_000 };

/**
 * One isolate's share in one breaker: the snapshot it was told, for how long that holds, what it
 * has counted since, and a breaker of its own while the object cannot be reached.
 *
 * A report is sent at most once: one whose answer is lost may or may not have been counted, and to
 * count a failure twice could open the breaker for nothing. Lost ones still count for the isolate's
 * own breaker.
 */
export class Lease {
  /**
   * What the object said last; null as long as it has said nothing, and while `local` stands in for
   * it.
   */
  view: View | null = null;
  local: LocalBreaker | null = null;
  tally: Tally;
  readonly #ports: LeasePorts;
  #misses = 0;
  #lost: Counts = { failures: 0, calls: 0 };
  #renewingSince: number | null = null;
  #reportingSince: number | null = null;
  #reportedAt = 0;
  #nextContact = { since: 0, afterMs: 0 };
  #spare: Permit | null = null;

  constructor(ports: LeasePorts) {
    this.#ports = ports;
    this.tally = this.#newTally(null);
  }

  /** Whether nothing is known yet, neither from the object nor without it. */
  get isCold(): boolean {
    return this.view === null && this.local === null;
  }

  /** Whether the object answered when it was last asked. */
  get reached(): boolean {
    return this.#misses === 0 && this.view !== null;
  }

  /**
   * Renews in the background if the lease is over, or if it is time to look whether the object is
   * back.
   */
  renewIfDue(now: number): void {
    const due =
      this.local === null
        ? this.view === null || leaseIsOver(this.view, now)
        : this.#contactIsDue(now);
    if (!due || isUnderWay(this.#renewingSince, now)) return;
    this.#renewingSince = now;
    this.#ports.background(this.#renew(undefined));
  }

  /** For a cold call that runs already: asks in the background. Null if somebody asks already. */
  acquireBeside(id: string, lastsMs: number, now: number): Promise<SyncReply | null> | null {
    if (isUnderWay(this.#renewingSince, now)) return null;
    this.#renewingSince = now;
    return this.#renew({ id, lastsMs, cold: true });
  }

  /** For a call that waits. Null when the object did not answer in time. */
  async acquire(id: string, lastsMs: number, timeoutMs: number): Promise<SyncReply | null> {
    return await this.#hearWithin(timeoutMs, { id, lastsMs, cold: false });
  }

  /**
   * A permit that came too late for the call that asked: without it an object that is merely slow
   * would never see a probe. One that leaves a call less than `neededMs` is given back, lest its
   * end is taken for the dependency's failure.
   */
  takeSpare(neededMs: number, now: number): Permit | null {
    const spare = this.#spare;
    this.#spare = null;
    if (spare === null || leftMs(spare, now) >= neededMs) return spare;
    this.#ports.background(this.endProbe(spare.id, "ignored"));
    return null;
  }

  /** Tells how a probe ended, once: if that is lost, its permit expires. Never rejects. */
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
      this.#hear({ snapshot, askedAt, toldAt: clock.now() }, askedUnder);
    } catch (error) {
      this.#miss(error);
    }
  }

  /** Renews the view first if its lease is over, for at most `timeoutMs`. */
  async refresh(timeoutMs: number): Promise<void> {
    const now = this.#ports.clock.now();
    if (this.local !== null) this.renewIfDue(now);
    else if (this.view === null || leaseIsOver(this.view, now))
      await this.#hearWithin(timeoutMs, undefined);
  }

  async #renew(acquire: SyncRequest["acquire"]): Promise<SyncReply | null> {
    try {
      return await this.#hearWithin(BACKGROUND_TIMEOUT_MS, acquire);
    } finally {
      this.#renewingSince = null;
    }
  }

  /** Null when the object did not answer in time. */
  async #hearWithin(timeoutMs: number, acquire: SyncRequest["acquire"]): Promise<SyncReply | null> {
    const { background, clock } = this.#ports;
    const question = { askedAt: clock.now(), askedUnder: this.view, late: false };
    const reply = this.#sync(acquire, question);
    try {
      return await within(timeoutMs, reply, clock);
    } catch (error) {
      question.late = true;
      this.#miss(error);
      if (acquire !== undefined)
        background(this.#keepSpare(reply, { ...acquire, askedAt: question.askedAt }));
      return null;
    }
  }

  /** A permit that nobody uses is given back. */
  async #keepSpare(reply: Promise<SyncReply>, acquired: Permit & { cold: boolean }): Promise<void> {
    const { clock } = this.#ports;
    const granted = await within(LATE_MS, reply, clock).then(
      (late) => late.granted,
      () => false,
    );
    if (!granted) return;
    if (!acquired.cold && this.local === null) {
      this.#spare = acquired;
      await sleep(clock, SPARE_MS);
      if (this.#spare !== acquired) return;
      this.#spare = null;
    }
    await this.endProbe(acquired.id, "ignored");
  }

  /** Takes the tally along. What it carries counts as lost until the answer is there. */
  async #sync(acquire: SyncRequest["acquire"], question: Question): Promise<SyncReply> {
    const { object, clock } = this.#ports;
    const { epoch } = this.tally;
    const counts = epoch === null || !this.#objectCounts() ? null : this.tally.take();
    if (counts !== null) this.#lose(counts);
    const report =
      epoch === null || counts === null || (counts.calls === 0 && counts.failures === 0)
        ? undefined
        : { epoch, ...counts };
    const reply = await object.sync({ ...(report && { report }), ...(acquire && { acquire }) });
    const view = { snapshot: reply.snapshot, askedAt: question.askedAt, toldAt: clock.now() };
    // One that comes after it was given up tells what was, but not that the object is back.
    if (!question.late) this.#hear(view, question.askedUnder);
    else if (this.local === null) this.#take(view, question.askedUnder);
    return reply;
  }

  #hear(view: View, askedUnder: View | null): void {
    if (this.local !== null) this.#ports.notify({ event: "object_back" });
    this.#misses = 0;
    this.#lost = { failures: 0, calls: 0 };
    this.#take(view, askedUnder);
  }

  /**
   * Takes a view over, unless it was overtaken: asked for before the current one came, and of no
   * newer epoch. Then the object may have answered it first.
   */
  #take(view: View, askedUnder: View | null): void {
    const { epoch } = view.snapshot;
    if (askedUnder !== this.view && this.view !== null && epoch <= this.view.snapshot.epoch) return;
    if (this.tally.epoch === null && this.local === null) this.tally.epoch = epoch;
    else if (this.tally.epoch !== epoch || this.local !== null) this.tally = this.#newTally(epoch);
    this.view = view;
    this.local = null;
    // Calls that began before anything was known may have failed meanwhile.
    if (this.tally.failures > 0) this.#reportSoon();
  }

  #miss(error: unknown): void {
    const { settings, clock, random, notify } = this.#ports;
    const now = clock.now();
    this.#misses += 1;
    if (this.local === null && (this.view === null || this.#misses >= MISSES_UNTIL_LOCAL)) {
      // What ran before anything was known runs under no epoch that a later answer could name.
      this.#lose(this.tally.take());
      this.tally = this.#newTally(null);
    }
    if (this.#misses < MISSES_UNTIL_LOCAL) return;
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
      afterMs: backoffMs(CONTACT_BACKOFF, this.#misses - MISSES_UNTIL_LOCAL + 1, random()),
    };
  }

  #lose({ failures, calls }: Counts): void {
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
    await this.#hearWithin(BACKGROUND_TIMEOUT_MS, undefined);
  }

  /** Under any other state the object drops reports, so none is sent. */
  #objectCounts(): boolean {
    const snapshot = this.view?.snapshot;
    return snapshot?.state === "CLOSED" && snapshot.override.kind !== "disabled";
  }

  #newTally(epoch: number | null): Tally {
    return new Tally(epoch, () => this.#reportSoon());
  }
}

type Question = { askedAt: number; askedUnder: View | null; late: boolean };

function isUnderWay(since: number | null, now: number): boolean {
  return since !== null && elapsedMs(since, now) < LOST_AFTER_MS;
}
