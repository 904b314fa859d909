import * as v from "valibot";
import type { Clock } from "../../base/clock.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { describeError, log } from "../../worker/log.ts";
import type { Detail } from "../rules/cache-status.ts";
import type { CacheCounts } from "../rules/counts.ts";
import {
  entryFrom,
  freshForMs,
  givenTags,
  jitteredTtlMs,
  MAX_LIFE_MS,
  type Entry,
} from "../rules/entry.ts";
import { decode, encode, type Envelope } from "../rules/envelope.ts";
import { implicitTags } from "../rules/keys.ts";
import type { CacheFailure, ReadOptions } from "../rules/read.ts";
import type { TagIndexClient } from "../tags/isolate/client.ts";
import { MAX_TAG_LENGTH } from "../tags/rules/rpc.ts";
import type { Stamp, Verdict } from "../tags/rules/sequence.ts";
import type { KvTier } from "./kv.ts";
import type { Memory } from "./memory.ts";
import type { Origin } from "./origin.ts";

export type FillPorts = {
  memory: Memory;
  kv: KvTier;
  tags: TagIndexClient;
  origin: Origin;
  counts: CacheCounts;
  clock: Clock;
  random: () => number;
  background: (work: Promise<unknown>) => void;
};

/** The options of a read with every default filled in. */
export type Read<Value, Failure> = Required<Omit<ReadOptions<Value, Failure>, "fallback">> &
  Pick<ReadOptions<Value, Failure>, "fallback">;

/** What a flight brings. */
export type Landing<Failure> =
  | { kind: "l2"; entry: Entry }
  | { kind: "loaded"; entry: Entry; stored: boolean }
  | { kind: "failed"; error: Failure | CacheFailure };

/**
 * What a flight has found so far. `older`: what KV holds, if it is too old to be served but was not
 * purged. `bypass`: nothing that the cache holds can be judged. `detail`: what went wrong with the
 * cache. `stamp`: of the load, once it has begun.
 */
export type Progress = {
  older: Entry | null;
  bypass: boolean;
  detail: Detail | null;
  stamp: Stamp | null;
};

/**
 * `miss`: whatever KV has will do. `refresh`: only if it is newer. `origin`: what the cache holds
 * cannot be used.
 */
export type FillMode = "miss" | "refresh" | "origin";

/** Nobody's stamp: what carries it is never kept. */
const NO_STAMP = { generation: "", seq: 0 };
const KV_MIN_TTL_SECONDS = 60;

/** The tags that a read has before it has a value. */
export function knownTags<Value, Failure>(
  key: string,
  { tags }: Pick<Read<Value, Failure>, "tags">,
): string[] {
  return [...implicitTags(key), ...(typeof tags === "function" ? [] : tags)];
}

/** Brings a value into memory: from KV, or from the origin and then into KV. */
export class Fill {
  readonly #ports: FillPorts;

  constructor(ports: FillPorts) {
    this.#ports = ports;
  }

  /**
   * Judges an entry, after a look-up of its tags if that needs one. What cannot be told is not
   * told.
   */
  async judge(entry: Entry): Promise<Verdict | "unknown"> {
    const verdict = this.verdictOn(entry);
    if (verdict !== "look-up") return verdict;
    await this.#ports.tags.lookUp(entry.tags);
    const then = this.verdictOn(entry);
    return then === "look-up" ? "unknown" : then;
  }

  verdictOn(entry: Entry): Verdict | "look-up" | "unknown" {
    const { view } = this.#ports.tags;
    if (entry.judged.revision !== view.revision) {
      entry.judged = { revision: view.revision, verdict: view.judge(entry.stamp, entry.tags) };
    }
    return entry.judged.verdict;
  }

  async run<Value, Failure>(
    key: string,
    read: Read<Value, Failure>,
    mode: FillMode,
    progress: Progress,
  ): Promise<Landing<Failure>> {
    try {
      const entry = mode === "origin" ? null : await this.#find(key, read, mode, progress);
      if (entry === null) return await this.#load(key, read, progress);
      this.#ports.memory.set(entry);
      return { kind: "l2", entry };
    } catch (error) {
      return { kind: "failed", error: { tag: "threw", error } };
    }
  }

  /** What KV holds, if it may be served. */
  async #find<Value, Failure>(
    key: string,
    read: Read<Value, Failure>,
    mode: FillMode,
    progress: Progress,
  ): Promise<Entry | null> {
    const { kv, tags } = this.#ports;
    const [verified, found] = await Promise.all([tags.verify(knownTags(key, read)), kv.read(key)]);
    if (found.kind === "failed") progress.detail = found.detail;
    const entry = found.kind === "found" ? this.#understand(key, found.text, read.schema) : null;
    if (found.kind === "found" && entry === null) progress.detail = "kv-corrupt";
    if (!verified) {
      progress.bypass = true;
      progress.detail = "tags-unreachable";
    }
    if (entry === null) return null;
    const verdict = await this.judge(entry);
    if (verdict === "fresh" || verdict === "stale") progress.older = entry;
    return verified && verdict === "fresh" && this.#isWanted(entry, mode) ? entry : null;
  }

  #isWanted(entry: Entry, mode: FillMode): boolean {
    const now = this.#ports.clock.now();
    if (mode !== "refresh") return freshForMs(entry, now) > 0;
    const held = this.#ports.memory.get(entry.key);
    return (
      now < entry.refreshAt &&
      freshForMs(entry, now) > 0 &&
      (held === undefined || entry.createdAt > held.createdAt)
    );
  }

  /**
   * @returns null for what is corrupt, which is deleted: it would be a miss for everybody for as
   * long as it is there
   */
  #understand(key: string, text: string, schema: v.GenericSchema): Entry | null {
    const { counts, kv, background, random } = this.#ports;
    const decoded = decode(text, key, v.nullable(schema));
    if (decoded.ok) return entryFrom(decoded.value, text.length, schema, random());
    counts.corrupt += 1;
    log("warn", "cache.corrupt_entry", { reason: decoded.error.tag });
    background(kv.delete(key));
    return null;
  }

  async #load<Value, Failure>(
    key: string,
    read: Read<Value, Failure>,
    progress: Progress,
  ): Promise<Landing<Failure>> {
    const { counts, origin, tags, clock } = this.#ports;
    let [begun, createdAt] = [false, clock.now()];
    const begin = (): void => {
      counts.loads += 1;
      begun = true;
      createdAt = clock.now();
      // Before the load: a purge that lands while it runs must find its result older.
      progress.stamp = tags.view.stamp;
    };
    const loaded = await origin.load(key, begin, async () => {
      const result = await read.load();
      return result.ok ? normalized(result.value, read.schema) : result;
    });
    if (!loaded.ok) {
      if (begun) counts.loadErrors += 1;
      return { kind: "failed", error: loaded.error };
    }
    const { value, text } = loaded.value;
    const envelope: Envelope<unknown> = {
      v: 1,
      key,
      createdAt,
      ttlMs: jitteredTtlMs(value === null ? read.negativeTtlMs : read.ttlMs, this.#ports.random()),
      tags: [...(typeof read.tags === "function" ? read.tags(value as Value | null) : read.tags)],
      ...(progress.stamp ?? NO_STAMP),
      value,
    };
    const entry = entryFrom(envelope, text.length, read.schema, this.#ports.random());
    return { kind: "loaded", entry, stored: this.#keep(entry, envelope, read) };
  }

  /**
   * What was purged or has expired while it was loaded is not kept, nor what could not be purged.
   */
  #keep<Value, Failure>(
    entry: Entry,
    envelope: Envelope<unknown>,
    read: Read<Value, Failure>,
  ): boolean {
    const verdict = this.verdictOn(entry);
    if (entry.tags.some((tag) => tag.length > MAX_TAG_LENGTH)) return false;
    if (
      verdict === "purged" ||
      verdict === "unknown" ||
      freshForMs(entry, this.#ports.clock.now()) <= 0
    )
      return false;
    const inMemory = this.#ports.memory.set(entry);
    const shared = entry.value !== null || read.negativeIn === "everywhere";
    if (shared)
      this.#ports.background(
        this.#share(entry, envelope, Math.max(read.staleWhileRevalidateMs, read.staleIfErrorMs)),
      );
    return inMemory || shared;
  }

  async #share(entry: Entry, envelope: Envelope<unknown>, graceMs: number): Promise<void> {
    const { counts, kv, tags } = this.#ports;
    try {
      const encoded = encode(envelope);
      if (!encoded.ok) {
        counts.tooLarge += 1;
        log("warn", "cache.too_large", { bytes: encoded.error.bytes });
        return;
      }
      const keepMs = Math.min(entry.ttlMs + (entry.value === null ? 0 : graceMs), MAX_LIFE_MS);
      const ttlSeconds = Math.max(Math.ceil(keepMs / 1_000), KV_MIN_TTL_SECONDS);
      if (
        this.verdictOn(entry) === "purged" ||
        !(await kv.write(entry.key, encoded.value, ttlSeconds))
      )
        return;
      counts.writes += 1;
      tags.stored({
        key: entry.key,
        tags: givenTags(entry),
        seq: entry.stamp.seq,
        expiresAt: envelope.createdAt + ttlSeconds * 1_000,
      });
    } catch (error) {
      log("error", "cache.share_failed", describeError(error));
    }
  }
}

/**
 * What was loaded, as KV would return it: so that it is the same from every tier. What does not fit
 * its schema is the loader's defect.
 */
function normalized(
  loaded: unknown,
  schema: v.GenericSchema,
): Result<{ value: unknown; text: string }, CacheFailure> {
  const text = JSON.stringify(loaded ?? null);
  const parsed = v.safeParse(v.nullable(schema), JSON.parse(text));
  if (parsed.success) return ok({ value: parsed.output, text });
  const path = v.getDotPath(parsed.issues[0]) ?? "value";
  log("error", "cache.value_refused", { path });
  return fail({
    tag: "threw",
    error: new TypeError(`what was loaded does not fit its schema: ${path}`),
  });
}
