import { backoffMs } from "../../../base/backoff.ts";
import { elapsedMs, type Clock } from "../../../base/clock.ts";
import { groupsWithin, sizeOf } from "../../../base/sizes.ts";
import { MAX_PURGE, type PurgeTags } from "../rules/rpc.ts";
import { RequestRefused } from "./request-refused.ts";

/** `endInvalidation` is called once the index has the purge. */
type PendingPurge = { tags: PurgeTags; endInvalidation: () => void };

export type PendingPurgePorts = {
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  background: (work: Promise<unknown>) => void;
  /** Rejects with `RequestRefused`, or when the index does not take the purge. */
  send: (tags: PurgeTags) => Promise<unknown>;
  onFailed: (error: unknown, inARow: number) => void;
};

/** A flush that takes longer belongs to a request that has died. */
const MAX_FLUSH_MS = 5_000;
const BACK_OFF = { baseMs: 1_000, maxMs: 10_000 };

/**
 * Hard purges of an isolate that the index does not have yet. They are sent beside the syncs, so
 * that one which the index fails at costs no read its cache.
 */
export class PendingPurges {
  readonly #ports: PendingPurgePorts;
  readonly #pending = new Set<PendingPurge>();
  #flushedAt = Number.NEGATIVE_INFINITY;
  #pauseMs = 0;
  #failures = 0;
  /** How many purges go into one request. */
  #together = Number.POSITIVE_INFINITY;

  constructor(ports: PendingPurgePorts) {
    this.#ports = ports;
  }

  get isEmpty(): boolean {
    return this.#pending.size === 0;
  }

  add(purge: PendingPurge): void {
    this.#pending.add(purge);
  }

  /** Sends as many purges as one request takes, in the background. The next flush has the rest. */
  flush(): void {
    const now = this.#ports.clock.now();
    if (this.isEmpty || elapsedMs(this.#flushedAt, now) < this.#pauseMs) return;
    this.#flushedAt = now;
    this.#pauseMs = MAX_FLUSH_MS;
    this.#ports.background(this.#send());
  }

  /** Never throws. */
  async #send(): Promise<void> {
    const { clock, random, onFailed } = this.#ports;
    const group = this.#next();
    try {
      await this.#deliver(group);
      this.#failures = 0;
      this.#together = Math.max(2 * this.#together, 2);
      this.#pauseMs = 0;
    } catch (error) {
      // It may be one of them that the index fails at. The others go before it, in smaller groups.
      this.#together = Math.max(group.length >> 1, 1);
      for (const purge of group) if (this.#pending.delete(purge)) this.#pending.add(purge);
      this.#failures += 1;
      this.#flushedAt = clock.now();
      this.#pauseMs = backoffMs(BACK_OFF, this.#failures, random());
      onFailed(error, this.#failures);
    }
  }

  /**
   * A refused purge will always be refused. So it is dropped, and the purges that were sent with it
   * are sent again one at a time.
   */
  async #deliver(group: readonly PendingPurge[]): Promise<void> {
    const [first] = group;
    if (first === undefined) return;
    const tags =
      first.tags === "everything"
        ? first.tags
        : [...new Set(group.flatMap((purge) => purge.tags as readonly string[]))];
    const accepted = await this.#isAccepted(tags);
    for (const purge of group) {
      if (!accepted && group.length > 1) await this.#isAccepted(purge.tags);
      this.#pending.delete(purge);
      purge.endInvalidation();
    }
  }

  async #isAccepted(tags: PurgeTags): Promise<boolean> {
    try {
      await this.#ports.send(tags);
      return true;
    } catch (error) {
      if (error instanceof RequestRefused) return false;
      throw error;
    }
  }

  /** A purge of everything goes alone. */
  #next(): PendingPurge[] {
    const whole = { ...MAX_PURGE };
    const [group = []] = groupsWithin(this.#pending, MAX_PURGE, ({ tags }) =>
      tags === "everything" ? whole : sizeOf(tags),
    );
    return group.slice(0, this.#together);
  }
}
