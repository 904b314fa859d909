import { LRUCache } from "lru-cache";
import type { Entry } from "./entry.ts";

/** Of the 128 MiB that an isolate has. */
const MAX_BYTES = 16 * 1_024 * 1_024;
/** One large value must not evict everything else. */
const MAX_ENTRY_SHARE = 8;

/** The isolate's own tier: what was used least recently goes first. */
export class Memory {
  readonly #entries: LRUCache<string, Entry>;

  constructor(maxBytes = MAX_BYTES) {
    this.#entries = new LRUCache({
      maxSize: maxBytes,
      maxEntrySize: Math.floor(maxBytes / MAX_ENTRY_SHARE),
      sizeCalculation: ({ bytes }) => bytes,
    });
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** @returns whether it was kept: one that is too large is not */
  set(entry: Entry): boolean {
    this.#entries.set(entry.key, entry);
    return this.#entries.peek(entry.key) === entry;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  get bytes(): number {
    return this.#entries.calculatedSize;
  }
}
