import type { Detail } from "../rules/cache-status.ts";
import { entryFrom, freshForMs, jitteredTtlMs, type Entry } from "../rules/entry.ts";
import type { Envelope } from "../rules/envelope.ts";
import { implicitTags } from "../rules/keys.ts";
import type { CacheFailure, ReadOptions, ReadTags } from "../rules/read.ts";
import type { Stamp } from "../tags/rules/sequence.ts";
import { lookUpFreshness } from "./entry-freshness.ts";
import { findInKv } from "./find-in-kv.ts";
import { KeptValues } from "./kept-values.ts";
import { normalized } from "./normalized.ts";
import type { Origin } from "./origin.ts";
import { storeEntry, type StorePorts } from "./store-entry.ts";

export type LoadPorts = StorePorts & { origin: Origin };

/** The options of a read, with all defaults filled in. */
export type Read<Value, Problem> = Required<Omit<ReadOptions<Value, Problem>, "fallback">> &
  Pick<ReadOptions<Value, Problem>, "fallback">;

/** The result of a load. `l2`: KV had it. `stored`: the cache keeps what the origin returned. */
export type LoadOutcome<Problem> =
  | { kind: "l2"; entry: Entry }
  | { kind: "loaded"; entry: Entry; stored: boolean }
  | { kind: "failed"; error: Problem | CacheFailure };

/**
 * `miss`: any fresh value of KV will do. `refresh`: only one that is newer than the value in
 * memory. `origin`: the freshness of cached values is unknown, so only the origin will do.
 */
export type LoadMode = "miss" | "refresh" | "origin";

/** The stamp of no index: an entry with it is never kept. */
const NO_STAMP = { generation: "", seq: 0 };

/** The tags that a read has before it has a value. */
export function knownTags(key: string, { tags }: { tags: ReadTags }): string[] {
  return [...implicitTags(key), ...(typeof tags === "function" ? [] : tags)];
}

/**
 * One load of a key on a miss or for a refresh: from KV, or from the origin and then into KV. It
 * starts when it is made. Reads that await it see what it has found so far.
 */
export class Load {
  /** Orders it among the reads and loads of the isolate. */
  readonly order: number;
  /** In milliseconds since the epoch. */
  readonly startedAt: number;
  /** Never rejects. */
  readonly outcome: Promise<LoadOutcome<unknown>>;
  readonly #ports: LoadPorts;
  readonly #key: string;
  readonly #read: Read<unknown, unknown>;
  readonly #mode: LoadMode;
  #older: Entry | null = null;
  #bypassesCache: boolean;
  #detail: Detail | null;
  #stamp: Stamp | null = null;
  #nameInKv: string | null;

  constructor(
    ports: LoadPorts,
    task: { key: string; read: Read<unknown, unknown>; mode: LoadMode; order: number },
  ) {
    this.#ports = ports;
    this.#key = task.key;
    this.#nameInKv = task.key;
    this.#read = task.read;
    this.#mode = task.mode;
    this.#bypassesCache = task.mode === "origin";
    this.#detail = this.#bypassesCache ? "tags-unreachable" : null;
    this.order = task.order;
    this.startedAt = ports.clock.now();
    this.outcome = this.#run();
  }

  /** What KV holds, if it is too old to be served but was not purged. */
  get older(): Entry | null {
    return this.#older;
  }

  /** Whether the freshness of everything that the cache holds is unknown. */
  get bypassesCache(): boolean {
    return this.#bypassesCache;
  }

  /** What went wrong with the cache, if anything did. */
  get detail(): Detail | null {
    return this.#detail;
  }

  /** The stamp of what the origin returns. Null until the origin is asked. */
  get stamp(): Stamp | null {
    return this.#stamp;
  }

  async #run(): Promise<LoadOutcome<unknown>> {
    try {
      const entry = this.#mode === "origin" ? null : await this.#findInKv();
      if (entry === null) return await this.#askOrigin();
      this.#ports.memory.set(entry);
      return { kind: "l2", entry };
    } catch (error) {
      return { kind: "failed", error: { tag: "threw", error } };
    }
  }

  /** The entry of KV, if it may be served. */
  async #findInKv(): Promise<Entry | null> {
    const { tags } = this.#ports;
    const [verified, found] = await Promise.all([
      tags.verify(knownTags(this.#key, this.#read)),
      findInKv(this.#ports, this.#key, this.#read),
    ]);
    const { entry, detail, name } = found;
    this.#detail = detail;
    this.#nameInKv = name;
    if (!verified) {
      this.#bypassesCache = true;
      this.#detail = "tags-unreachable";
    }
    if (entry === null) return null;
    const freshness = await lookUpFreshness(entry, tags, this.#read.tags);
    if (freshness === "fresh" || freshness === "stale") this.#older = entry;
    return verified && freshness === "fresh" && this.#isWanted(entry) ? entry : null;
  }

  #isWanted(entry: Entry): boolean {
    const now = this.#ports.clock.now();
    if (this.#mode !== "refresh") return freshForMs(entry, now) > 0;
    const held = this.#ports.memory.get(entry.key);
    return (
      now < entry.refreshAt &&
      freshForMs(entry, now) > 0 &&
      (held === undefined || entry.createdAt > held.createdAt)
    );
  }

  async #askOrigin(): Promise<LoadOutcome<unknown>> {
    const { countsOf, origin, tags, clock, random } = this.#ports;
    const counts = countsOf(this.#key);
    const read = this.#read;
    const others = new KeptValues();
    let hasBegun = false;
    let createdAt = clock.now();
    const begin = (): void => {
      counts.loads += 1;
      hasBegun = true;
      createdAt = clock.now();
      // Before the origin is asked: a purge that comes meanwhile must find the result older.
      this.#stamp = tags.view.stamp;
    };
    const loaded = await origin.load(this.#key, read.loadTimeoutMs, {
      begin,
      load: async (signal) => {
        const result = await read.load(signal, others.keep);
        return result.ok ? normalized(result.value, read.schema, counts) : result;
      },
    });
    if (!loaded.ok) {
      if (hasBegun) counts.loadErrors += 1;
      return { kind: "failed", error: loaded.error };
    }
    const { value, text } = loaded.value;
    const stamp = this.#stamp ?? NO_STAMP;
    others.store(this.#ports, this.#key, { createdAt, ttlMs: read.ttlMs, stamp });
    const envelope: Envelope<unknown> = {
      v: 1,
      key: this.#key,
      createdAt,
      ttlMs: jitteredTtlMs(value === null ? read.negativeTtlMs : read.ttlMs, random()),
      tags: [...(typeof read.tags === "function" ? read.tags(value) : read.tags)],
      ...stamp,
      value,
    };
    const entry = entryFrom(envelope, text?.length ?? 0, read.schema, random());
    const stored =
      text !== null && storeEntry(this.#ports, read, { entry, envelope, name: this.#nameInKv });
    return { kind: "loaded", entry, stored };
  }
}
