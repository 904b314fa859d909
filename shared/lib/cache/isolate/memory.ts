import { LRUCache } from "lru-cache";
import type { Entry } from "../rules/entry.ts";

/** An isolate has 128 MiB. */
const MAX_BYTES = 16 * 1_024 * 1_024;
/** One large value must not evict everything else. */
const MAX_ENTRY_SHARE = 8;
const ABSENCES_SHARE = 16;

/** The tier of the isolate. It evicts the least recently used entries first. */
export class Memory {
  readonly #values: LRUCache<string, Entry>;
  /**
   * Negative entries, with a limit of their own: strangers can ask for any number of missing things,
   * and must not evict values.
   */
  readonly #absences: LRUCache<string, Entry>;

  constructor(maxBytes = MAX_BYTES) {
    this.#values = bounded(maxBytes);
    this.#absences = bounded(maxBytes / ABSENCES_SHARE);
  }

  get(key: string): Entry | undefined {
    return this.#values.get(key) ?? this.#absences.get(key);
  }

  /** @returns whether it was kept. An entry that is too large is not */
  set(entry: Entry): boolean {
    const isAbsence = entry.value === null;
    const its = isAbsence ? this.#absences : this.#values;
    const other = isAbsence ? this.#values : this.#absences;
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
