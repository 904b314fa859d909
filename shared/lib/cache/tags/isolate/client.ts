import { backoffMs } from "../../../base/backoff.ts";
import { elapsedMs, sleep, type Clock } from "../../../base/clock.ts";
import { within } from "../../../base/deadline.ts";
import { fail, ok, type Result } from "../../../base/result.ts";
import { listFields, validate } from "../../../worker/validate.ts";
import { isTag } from "../rules/names.ts";
import {
  MAX_TAGS_PER_SYNC,
  purgedNames,
  type IndexReply,
  type PurgeReply,
  type PurgeRequest,
  type PurgeTags,
  type Stored,
  type TagSyncRequest,
} from "../rules/rpc.ts";
import type { PurgeMode } from "../rules/sequence.ts";
import { EVERYTHING, TagView } from "../rules/view.ts";
import { LookUps } from "./look-ups.ts";
import { PendingPurges } from "./pending-purges.ts";
import { RegistrationQueue } from "./registration-queue.ts";
import { RequestRefused } from "./request-refused.ts";

export type TagClientPorts = {
  object: {
    sync(request: TagSyncRequest): Promise<IndexReply>;
    purge(request: PurgeRequest): Promise<PurgeReply>;
  };
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  /** Keeps work alive after its request has ended: `waitUntil`. */
  background: (work: Promise<unknown>) => void;
  /** The greatest age of a view under which entries are served. At least `SYNC_INTERVAL_MS`. */
  boundMs: number;
  notify: (event: TagClientEvent) => void;
};

/**
 * - `index_failed`: the index did not answer a sync.
 * - `sync_refused`: it answered that it does not take what the sync carried.
 * - `pending_purge_failed`: it did not take a purge that this isolate has sent before.
 *
 * `inARow`: failures since the last success.
 */
export type TagClientEvent =
  | { event: "index_failed" | "pending_purge_failed"; error: unknown; inARow: number }
  | { event: "sync_refused"; error: unknown }
  | { event: "index_back" };

/**
 * `unreachable`: the index did not answer. A hard purge is applied in this isolate, and is sent
 * again with its next sync. `refused`: it names a tag that no entry can carry, so there is nothing
 * to purge.
 */
export type PurgeFailure = { tag: "unreachable" | "refused"; error: unknown };

type SyncInFlight = { sentAt: number; work: Promise<boolean> };

/** An isolate syncs no more often than this, except for strict reads. */
const SYNC_INTERVAL_MS = 1_000;
const TIMEOUT_MS = 1_000;
/** A sync that takes longer belongs to a request that has died. */
const MAX_SYNC_MS = 5_000;
const PURGE_TIMEOUT_MS = 2_000;
const BACK_OFF = { baseMs: 1_000, maxMs: 10_000 };
const MAX_FLUSH_MS = 10_000;

/** An isolate's client of the tag index, with the view that it keeps in sync. */
export class TagIndexClient {
  readonly view: TagView;
  readonly boundMs: number;
  readonly #ports: TagClientPorts;
  readonly #lookUps: LookUps;
  #inFlight: SyncInFlight | null = null;
  #lastSentAt = Number.NEGATIVE_INFINITY;
  #pauseMs = SYNC_INTERVAL_MS;
  #failures = 0;
  readonly #registrations = new RegistrationQueue();
  #flushingSince = Number.NEGATIVE_INFINITY;
  /** Hard purges of this isolate that the index does not have yet. */
  readonly #pendingPurges: PendingPurges;

  constructor(ports: TagClientPorts, view = new TagView()) {
    this.#ports = ports;
    this.view = view;
    this.boundMs = ports.boundMs;
    this.#lookUps = new LookUps({
      ...ports,
      timeoutMs: TIMEOUT_MS,
      send: async (tags) => await this.#exchange(tags),
    });
    this.#pendingPurges = new PendingPurges({
      ...ports,
      send: async (tags) => await this.#purgeOnce(tags, "hard"),
      onFailed: (error, inARow) => ports.notify({ event: "pending_purge_failed", error, inARow }),
    });
  }

  /**
   * Whether the view is within the bound. Renews it in the background before it is too old, so that
   * a busy isolate does not wait.
   */
  isFresh(now: number): boolean {
    const ageMs = this.view.ageMs(now);
    if (ageMs > this.boundMs) return false;
    // Purges that succeed keep the view fresh. Pending ones must be sent all the same.
    if ((ageMs >= SYNC_INTERVAL_MS || !this.#pendingPurges.isEmpty) && this.#maySync(now))
      void this.#send([]);
    return true;
  }

  /**
   * Waits for a sync if the view is too old.
   *
   * @param lookUp tags that will be needed if the view has to be fetched again
   * @returns whether the view is within the bound; false if the index does not answer
   */
  async verify(lookUp: readonly string[] = []): Promise<boolean> {
    const now = this.#ports.clock.now();
    if (this.isFresh(now)) return true;
    const inFlight = this.#inFlightAt(now);
    if (inFlight !== null) await this.#awaitSync(inFlight);
    else if (this.#maySync(now)) await this.#awaitSync(this.#send(lookUp));
    return this.view.ageMs(this.#ports.clock.now()) <= this.boundMs;
  }

  /** Waits for a sync that was sent after this call. @returns whether the index answered */
  async verifyStrictly(): Promise<boolean> {
    const before = this.#inFlightAt(this.#ports.clock.now());
    if (before !== null) await this.#awaitSync(before);
    const now = this.#ports.clock.now();
    if (this.#isBackingOff(now)) return false;
    // A sync that is in flight now was sent after this call.
    return await this.#awaitSync(this.#inFlightAt(now) ?? this.#send([]));
  }

  /** Looks up the tags of an old entry. `view.missing` shows whether the reply came. */
  async lookUp(tags: readonly string[]): Promise<void> {
    const missing = this.view.missing(tags).filter(isTag);
    if (missing.length > 0 && !this.#isBackingOff(this.#ports.clock.now()))
      await this.#lookUps.ask(missing);
  }

  /** Registers an entry that was written to KV, with the next sync. */
  register(entry: Stored): void {
    if (!this.#registrations.add(entry)) return;
    const now = this.#ports.clock.now();
    if (elapsedMs(this.#flushingSince, now) < MAX_FLUSH_MS) return;
    this.#flushingSince = now;
    this.#ports.background(this.#flushRegistrations());
  }

  /**
   * From now on this isolate serves no entry with these tags.
   *
   * @returns the function that ends it
   */
  beginInvalidation(tags: PurgeTags): () => void {
    return this.view.beginInvalidation(tags === "everything" ? [EVERYTHING] : tags);
  }

  /**
   * Purges, and holds to it here at once. If the index does not answer a hard purge, this isolate
   * goes on holding to it and sends it again with each sync until it has arrived. A soft one is
   * gone then: what it would have made stale is merely served for longer.
   */
  async purge(tags: PurgeTags, mode: PurgeMode): Promise<Result<PurgeReply, PurgeFailure>> {
    const checked = validate(purgedNames, { tags });
    if (!checked.ok)
      return fail({ tag: "refused", error: new RequestRefused(listFields(checked.error.errors)) });
    const endInvalidation = mode === "hard" ? this.beginInvalidation(tags) : () => undefined;
    try {
      const reply = await this.#purgeOnce(tags, mode);
      endInvalidation();
      return ok(reply);
    } catch (error) {
      if (error instanceof RequestRefused) {
        endInvalidation();
        return fail({ tag: "refused", error });
      }
      if (mode === "hard") this.#pendingPurges.add({ tags, endInvalidation });
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

  #send(lookUp: readonly string[]): SyncInFlight {
    this.#lastSentAt = this.#ports.clock.now();
    this.#pendingPurges.flush();
    const work = this.#exchange(lookUp).finally(() => {
      if (this.#inFlight === inFlight) this.#inFlight = null;
    });
    const inFlight = { sentAt: this.#lastSentAt, work };
    this.#inFlight = inFlight;
    this.#ports.background(work);
    return inFlight;
  }

  /** Syncs with the index. @returns whether it answered and the view has the reply */
  async #exchange(wanted: readonly string[]): Promise<boolean> {
    // No entry with more tags, or with others, is ever stored.
    const lookUp = wanted.filter(isTag).slice(0, MAX_TAGS_PER_SYNC);
    const stored = this.#registrations.take();
    try {
      return await this.#sync(lookUp, stored);
    } catch (error) {
      if (!(error instanceof RequestRefused)) {
        this.#registrations.putBack(stored);
        return this.#failed(error);
      }
      this.#ports.notify({ event: "sync_refused", error });
    }
    // It is reachable, and readers need the view even if the rest failed.
    return await this.#sync([], []).catch((error: unknown) => this.#failed(error));
  }

  /** @throws `RequestRefused`, or when the index does not answer */
  async #sync(lookUp: string[], stored: Stored[]): Promise<boolean> {
    const { clock, object, notify } = this.#ports;
    const asked = { at: clock.now(), since: this.view.stamp };
    const reply = await within(
      TIMEOUT_MS,
      object.sync({ since: asked.since, lookUp, stored }),
      clock,
    );
    const taken = this.view.sync(reply, asked, clock.now());
    if (taken && lookUp.length > 0) this.view.lookUp({ meta: reply.meta, purges: reply.lookedUp });
    if (this.#failures > 0) notify({ event: "index_back" });
    this.#failures = 0;
    this.#pauseMs = SYNC_INTERVAL_MS;
    return taken;
  }

  #failed(error: unknown): false {
    const { clock, random, notify } = this.#ports;
    this.#failures += 1;
    this.#pauseMs = Math.max(backoffMs(BACK_OFF, this.#failures, random()), SYNC_INTERVAL_MS);
    this.#lastSentAt = clock.now();
    notify({ event: "index_failed", error, inARow: this.#failures });
    return false;
  }

  /** A sync may die with the request that sent it, so each waiter has a time limit of its own. */
  async #awaitSync({ work }: SyncInFlight): Promise<boolean> {
    return await within(TIMEOUT_MS, work, this.#ports.clock).catch(() => false);
  }

  #inFlightAt(now: number): SyncInFlight | null {
    return this.#inFlight !== null && elapsedMs(this.#inFlight.sentAt, now) <= MAX_SYNC_MS
      ? this.#inFlight
      : null;
  }

  #maySync(now: number): boolean {
    return this.#inFlightAt(now) === null && elapsedMs(this.#lastSentAt, now) >= this.#pauseMs;
  }

  #isBackingOff(now: number): boolean {
    return this.#failures > 0 && elapsedMs(this.#lastSentAt, now) < this.#pauseMs;
  }

  /** Sends registrations even if no further read causes a sync. */
  async #flushRegistrations(): Promise<void> {
    const { clock } = this.#ports;
    for (
      let waitedMs = 0;
      waitedMs < MAX_FLUSH_MS && !this.#registrations.isEmpty;
      waitedMs += SYNC_INTERVAL_MS
    ) {
      await sleep(clock, SYNC_INTERVAL_MS);
      if (!this.#registrations.isEmpty && this.#maySync(clock.now()))
        await this.#awaitSync(this.#send([]));
    }
    this.#flushingSince = Number.NEGATIVE_INFINITY;
  }
}
