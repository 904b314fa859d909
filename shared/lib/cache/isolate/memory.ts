import { LRUCache } from "lru-cache";
import type { Entry } from "../rules/entry.ts";

/** Of the 128 MiB that an isolate has. */
const MAX_BYTES = 16 * 1_024 * 1_024;
/** One large value must not evict everything else. */
const MAX_ENTRY_SHARE = 8;
const ABSENCES_SHARE = 16;

/** The isolate's own tier: what was used least recently goes first. */
export class Memory {
  readonly #values: LRUCache<string, Entry>;
  /**
   * Apart: strangers can ask without end for what there is not, and must not push out what there
   * is.
   */
  readonly #absences: LRUCache<string, Entry>;

  constructor(maxBytes = MAX_BYTES) {
    this.#values = bounded(maxBytes);
    this.#absences = bounded(maxBytes / ABSENCES_SHARE);
  }

  get(key: string): Entry | undefined {
    return this.#values.get(key) ?? this.#absences.get(key);
  }

  /** @returns whether it was kept: one that is too large is not */
  set(entry: Entry): boolean {
    const [its, other] =
      entry.value === null ? [this.#absences, this.#values] : [this.#values, this.#absences];
    other.delete(entry.key);
    its.set(entry.key, entry);
    return its.peek(entry.key) === entry;
  }

  delete(key: string): void {
    this.#values.delete(key);
    this.#absences.delete(key);
  }

  get bytes(): number {
    return this.#values.calculatedSize + this.#absences.calculatedSize;
  }
}

function bounded(maxBytes: number): LRUCache<string, Entry> {
  return new LRUCache({
    maxSize: Math.floor(maxBytes),
    maxEntrySize: Math.floor(maxBytes / MAX_ENTRY_SHARE),
    sizeCalculation: ({ bytes }) => bytes,
  });
}
