import { elapsedMs, type Clock } from "../../../base/clock.ts";
import { within } from "../../../base/deadline.ts";
import { MAX_TAGS_PER_SYNC } from "../rules/rpc.ts";

export type LookUpPorts = {
  clock: Clock;
  background: (work: Promise<unknown>) => void;
  timeoutMs: number;
  send: (tags: string[]) => Promise<unknown>;
};

type Batch = { tags: Set<string>; since: number; work: Promise<unknown> };

/**
 * Batches look-ups: those that come while one is in flight go into the next one together, so that
 * many readers send one request.
 */
export class LookUps {
  readonly #ports: LookUpPorts;
  #current: Promise<unknown> = Promise.resolve();
  #next: Batch | null = null;

  constructor(ports: LookUpPorts) {
    this.#ports = ports;
  }

  /** Never throws. A tag without a reply is still missing in the view. */
  async ask(tags: readonly string[]): Promise<void> {
    const { clock, timeoutMs } = this.#ports;
    const batches = new Set<Batch>();
    for (const tag of tags) {
      const batch = this.#open();
      batch.tags.add(tag);
      batches.add(batch);
    }
    // A batch may belong to a request that dies, so the wait is limited.
    const answers = Promise.all([...batches].map(({ work }) => work));
    await within(2 * timeoutMs, answers, clock).catch(() => undefined);
  }

  /** A batch that takes one more tag. */
  #open(): Batch {
    const { clock, timeoutMs, background } = this.#ports;
    const now = clock.now();
    const open = this.#next;
    if (
      open !== null &&
      open.tags.size < MAX_TAGS_PER_SYNC &&
      elapsedMs(open.since, now) < 2 * timeoutMs
    )
      return open;
    const batch: Batch = {
      tags: new Set(),
      since: now,
      work: this.#after(this.#current, () => batch),
    };
    this.#next = batch;
    this.#current = batch.work;
    background(batch.work);
    return batch;
  }

  async #after(previous: Promise<unknown>, batch: () => Batch): Promise<void> {
    const { clock, timeoutMs, send } = this.#ports;
    await within(timeoutMs, previous, clock).catch(() => undefined);
    if (this.#next === batch()) this.#next = null;
    await send([...batch().tags]);
  }
}
