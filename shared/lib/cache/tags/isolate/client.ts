import { backoffMs } from "../../../base/backoff.ts";
import { elapsedMs, sleep, type Clock } from "../../../base/clock.ts";
import { within } from "../../../base/deadline.ts";
import { fail, ok, type Result } from "../../../base/result.ts";
import {
  MAX_TAG_LENGTH,
  MAX_TAGS_PER_SYNC,
  type IndexReply,
  type PurgeReply,
  type PurgeRequest,
  type PurgeTags,
  type Stored,
  type SyncRequest,
} from "../rules/rpc.ts";
import type { PurgeMode } from "../rules/sequence.ts";
import { EVERYTHING, TagView } from "../rules/view.ts";
import { LookUps } from "./look-ups.ts";
import { OwedPurges } from "./pending-purges.ts";
import { StoredQueue } from "./registration-queue.ts";
import { RequestRefused } from "./request-refused.ts";

export type TagClientPorts = {
  object: {
    sync(request: SyncRequest): Promise<IndexReply>;
    purge(request: PurgeRequest): Promise<PurgeReply>;
  };
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  /** Holds work that outlives the request which began it. */
  background: (work: Promise<unknown>) => void;
  /**
   * The oldest that a view may be for what is judged by it to be served. At least
   * `SYNC_INTERVAL_MS`.
   */
  boundMs: number;
  /** `inARow`: failures since the index answered last. */
  notify: (
    event: { event: "index_failed"; error: unknown; inARow: number } | { event: "index_back" },
  ) => void;
};

/**
 * `unreachable`: the index did not answer; a hard purge stands with this isolate, and is sent again
 * with its next sync. `refused`: it names what no entry can carry, so there is nothing to purge.
 */
export type PurgeFailure = { tag: "unreachable" | "refused"; error: unknown };

type Flight = { sentAt: number; work: Promise<boolean> };

/** An isolate asks no more often than this, however much is read; strict reads are exempt. */
const SYNC_INTERVAL_MS = 1_000;
const TIMEOUT_MS = 1_000;
/** A sync that takes longer belongs to a request that has died. */
const MAX_FLIGHT_MS = 5_000;
const PURGE_TIMEOUT_MS = 2_000;
const BACK_OFF = { baseMs: 1_000, maxMs: 10_000 };
const MAX_FLUSH_MS = 10_000;

/** What an isolate knows of the tag index, and its way there. */
export class TagIndexClient {
  readonly view: TagView;
  readonly boundMs: number;
  readonly #ports: TagClientPorts;
  readonly #lookUps: LookUps;
  #flight: Flight | null = null;
  #lastSentAt = Number.NEGATIVE_INFINITY;
  #pauseMs = SYNC_INTERVAL_MS;
  #failures = 0;
  readonly #stored = new StoredQueue();
  #flushingSince = Number.NEGATIVE_INFINITY;
  /** Own hard purges that have not reached the index. */
  readonly #owed = new OwedPurges();

  constructor(ports: TagClientPorts, view = new TagView()) {
    this.#ports = ports;
    this.view = view;
    this.boundMs = ports.boundMs;
    this.#lookUps = new LookUps({
      ...ports,
      timeoutMs: TIMEOUT_MS,
      send: async (tags) => await this.#exchange(tags),
    });
  }

  /**
   * Whether the view may be judged by without asking. Renews it in the background as it ages, so
   * that a busy isolate never waits.
   */
  isFresh(now: number): boolean {
    const ageMs = this.view.ageMs(now);
    if (ageMs > this.boundMs) return false;
    // Purges that succeed keep the view young, and must not keep those that are owed from being
    // sent.
    if ((ageMs >= SYNC_INTERVAL_MS || !this.#owed.isEmpty) && this.#maySync(now))
      void this.#send([]);
    return true;
  }

  /**
   * Sees to it that the view is within the bound: waits for a sync if it is older.
   *
   * @param lookUp tags that will be needed if the view has to be fetched anew
   * @returns whether it is; false when the index does not answer
   */
  async verify(lookUp: readonly string[] = []): Promise<boolean> {
    const now = this.#ports.clock.now();
    if (this.isFresh(now)) return true;
    const flight = this.#flightAt(now);
    if (flight !== null) await this.#join(flight);
    else if (this.#maySync(now)) await this.#join(this.#send(lookUp));
    return this.view.ageMs(this.#ports.clock.now()) <= this.boundMs;
  }

  /** The same by a sync that is sent after this call. */
  async verifyStrictly(): Promise<boolean> {
    const before = this.#flightAt(this.#ports.clock.now());
    if (before !== null) await this.#join(before);
    const now = this.#ports.clock.now();
    if (this.#isBackingOff(now)) return false;
    // Whatever flies now left after this call.
    return await this.#join(this.#flightAt(now) ?? this.#send([]));
  }

  /** Asks for tags that an older entry needs. Whether the answer came shows in the view. */
  async lookUp(tags: readonly string[]): Promise<void> {
    const missing = this.view.missing(tags);
    if (missing.length > 0 && !this.#isBackingOff(this.#ports.clock.now()))
      await this.#lookUps.ask(missing);
  }

  /** Takes note of what was put into KV: the index hears of it with the next sync. */
  stored(entry: Stored): void {
    if (!this.#stored.add(entry)) return;
    const now = this.#ports.clock.now();
    if (elapsedMs(this.#flushingSince, now) < MAX_FLUSH_MS) return;
    this.#flushingSince = now;
    this.#ports.background(this.#flush());
  }

  /** From now on entries with these tags are not served here. @returns what ends it */
  doubt(tags: PurgeTags): () => void {
    return this.view.doubt(tags === "everything" ? [EVERYTHING] : tags);
  }

  /**
   * Purges, and holds to it here at once. If the index does not answer a hard purge, this isolate
   * goes on holding to it and sends it again with each sync until it has arrived. A soft one is
   * gone then: what it would have made stale is merely served for longer.
   */
  async purge(tags: PurgeTags, mode: PurgeMode): Promise<Result<PurgeReply, PurgeFailure>> {
    if (tags.length === 0)
      return fail({ tag: "refused", error: new RequestRefused("names nothing") });
    const settle = mode === "hard" ? this.doubt(tags) : () => undefined;
    try {
      const reply = await this.#purgeOnce(tags, mode);
      settle();
      return ok(reply);
    } catch (error) {
      if (error instanceof RequestRefused) {
        settle();
        return fail({ tag: "refused", error });
      }
      if (mode === "hard") this.#owed.add({ tags, settle });
      return fail({ tag: "unreachable", error });
    }
  }

  async #purgeOnce(tags: PurgeTags, mode: PurgeMode): Promise<PurgeReply> {
    const asked = { at: this.#ports.clock.now(), since: this.view.stamp };
    const request = {
      since: asked.since,
      tags: tags === "everything" ? tags : [...tags],
      mode,
    } as const;
    const reply = await within(
      PURGE_TIMEOUT_MS,
      this.#ports.object.purge(request),
      this.#ports.clock,
    );
    if (!this.view.sync(reply, asked, this.#ports.clock.now()))
      throw new Error("the index that took the purge is gone");
    return reply;
  }

  #send(lookUp: readonly string[]): Flight {
    this.#lastSentAt = this.#ports.clock.now();
    const work = this.#exchange(lookUp).finally(() => {
      if (this.#flight === flight) this.#flight = null;
    });
    const flight = { sentAt: this.#lastSentAt, work };
    this.#flight = flight;
    this.#ports.background(work);
    return flight;
  }

  /** One exchange with the index. @returns whether it answered, and the view has what it said */
  async #exchange(wanted: readonly string[]): Promise<boolean> {
    // No entry that carries more is ever kept.
    const lookUp = wanted.filter((tag) => tag.length <= MAX_TAG_LENGTH).slice(0, MAX_TAGS_PER_SYNC);
    const stored = this.#stored.take();
    try {
      await this.#owed.pay((tags) => this.#purgeOnce(tags, "hard"));
      const asked = { at: this.#ports.clock.now(), since: this.view.stamp };
      const request = { since: asked.since, lookUp, stored };
      const reply = await within(TIMEOUT_MS, this.#ports.object.sync(request), this.#ports.clock);
      const taken = this.view.sync(reply, asked, this.#ports.clock.now());
      if (taken && lookUp.length > 0)
        this.view.lookUp({ meta: reply.meta, purges: reply.lookedUp });
      if (this.#failures > 0) this.#ports.notify({ event: "index_back" });
      this.#failures = 0;
      this.#pauseMs = SYNC_INTERVAL_MS;
      return taken;
    } catch (error) {
      if (!(error instanceof RequestRefused)) this.#stored.putBack(stored);
      this.#failures += 1;
      this.#pauseMs = Math.max(
        backoffMs(BACK_OFF, this.#failures, this.#ports.random()),
        SYNC_INTERVAL_MS,
      );
      this.#lastSentAt = this.#ports.clock.now();
      this.#ports.notify({ event: "index_failed", error, inARow: this.#failures });
      return false;
    }
  }

  /** Another request's sync may die with it: whoever waits for one has a time limit of its own. */
  async #join({ work }: Flight): Promise<boolean> {
    return await within(TIMEOUT_MS, work, this.#ports.clock).catch(() => false);
  }

  #flightAt(now: number): Flight | null {
    return this.#flight !== null && elapsedMs(this.#flight.sentAt, now) <= MAX_FLIGHT_MS
      ? this.#flight
      : null;
  }

  #maySync(now: number): boolean {
    return this.#flightAt(now) === null && elapsedMs(this.#lastSentAt, now) >= this.#pauseMs;
  }

  #isBackingOff(now: number): boolean {
    return this.#failures > 0 && elapsedMs(this.#lastSentAt, now) < this.#pauseMs;
  }

  /** Sends what was stored though nobody reads any more. */
  async #flush(): Promise<void> {
    const { clock } = this.#ports;
    for (
      let waitedMs = 0;
      waitedMs < MAX_FLUSH_MS && !this.#stored.isEmpty;
      waitedMs += SYNC_INTERVAL_MS
    ) {
      await sleep(clock, SYNC_INTERVAL_MS);
      if (!this.#stored.isEmpty && this.#maySync(clock.now())) await this.#join(this.#send([]));
    }
    this.#flushingSince = Number.NEGATIVE_INFINITY;
  }
}
