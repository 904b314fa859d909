import type { Clock } from "../clock.ts";
import { within } from "../deadline.ts";

type Batch = { tags: Set<string>; work: Promise<unknown> };

/** One request takes no more. */
const MAX_TAGS = 1_000;

/** Gathers what is asked for while a question is under way into the next one, so that a crowd of readers asks once. */
export class LookUps {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #send: (tags: string[]) => Promise<unknown>;
  #under: Promise<unknown> = Promise.resolve();
  #next: Batch | null = null;

  constructor(clock: Clock, timeoutMs: number, send: (tags: string[]) => Promise<unknown>) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#send = send;
  }

  /** Never throws: what did not come is still missing. */
  async ask(tags: readonly string[]): Promise<void> {
    if (this.#next !== null && this.#next.tags.size + tags.length > MAX_TAGS) this.#next = null;
    const batch = (this.#next ??= this.#begin());
    for (const tag of tags) batch.tags.add(tag);
    // The batch may belong to a request that dies.
    await within(2 * this.#timeoutMs, batch.work, this.#clock).catch(() => undefined);
  }

  #begin(): Batch {
    const batch: Batch = { tags: new Set(), work: this.#after(this.#under, () => batch) };
    this.#under = batch.work;
    return batch;
  }

  async #after(previous: Promise<unknown>, batch: () => Batch): Promise<void> {
    await within(this.#timeoutMs, previous, this.#clock).catch(() => undefined);
    if (this.#next === batch()) this.#next = null;
    await this.#send([...batch().tags]);
  }
}
