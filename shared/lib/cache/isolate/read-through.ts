import type { Result } from "../../base/result.ts";
import { describeError, log } from "../../worker/log.ts";
import type { CacheStatus, ForwardReason, Tier } from "../rules/cache-status.ts";
import { fits, freshForMs, type Entry } from "../rules/entry.ts";
import type { CacheFailure, CacheRead, ReadOptions } from "../rules/read.ts";
import type { CacheSettings } from "../rules/settings.ts";
import type { PurgeFailure, TagIndexClient } from "../tags/isolate/client.ts";
import type { PurgeTags, PurgeReply } from "../tags/rules/rpc.ts";
import type { PurgeMode } from "../tags/rules/sequence.ts";
import { Flights, type Flight } from "./in-flight.ts";
import {
  Fill,
  knownTags,
  type FillMode,
  type FillPorts,
  type Landing,
  type Progress,
  type Read,
} from "./loader.ts";
import { Origin } from "./origin.ts";

export type CachePorts = Omit<FillPorts, "origin"> & {
  settings: Pick<CacheSettings, "ttlMs" | "timeoutMs">;
};

const NEGATIVE_TTL_MS = 10_000;
const STALE_WHILE_REVALIDATE_MS = 60_000;
const STALE_IF_ERROR_MS = 3_600_000;

/**
 * The cache of one isolate: its memory, then KV, then the origin. A read never fails because of the
 * cache, and after a purge it never answers what was purged: see docs/architecture.md for what
 * holds when which part fails.
 */
export class Cache {
  readonly tags: TagIndexClient;
  readonly #ports: CachePorts;
  readonly #fill: Fill;
  readonly #origin: Origin;
  readonly #flights: Flights<Landing<unknown>, Progress>;
  /** Orders the reads and loads of this isolate. */
  #order = 0;

  constructor(ports: CachePorts) {
    const { clock, random, settings } = ports;
    this.#ports = ports;
    this.tags = ports.tags;
    this.#origin = new Origin(clock, random, settings.timeoutMs / 2);
    this.#fill = new Fill({ ...ports, origin: this.#origin });
    this.#flights = new Flights(clock, settings.timeoutMs);
  }

  /** Reads through the cache. Never throws; what it returns is frozen. */
  async read<Value, Failure>(
    key: string,
    options: ReadOptions<Value, Failure>,
  ): Promise<CacheRead<Value, Failure>> {
    const { memory, clock, tags, counts } = this.#ports;
    const held = memory.get(key);
    if (held !== undefined && held.schema === options.schema && options.consistency !== "strict") {
      const now = clock.now();
      const leftMs = freshForMs(held, now);
      if (leftMs > 0 && tags.isFresh(now) && this.#fill.verdictOn(held) === "fresh") {
        if (now >= held.refreshAt) this.#refresh(key, this.#filledIn(options));
        counts.hitsL1 += 1;
        return {
          ok: true,
          value: held.value as Value | null,
          status: { kind: "hit", tier: "l1", ttlMs: leftMs },
        };
      }
    }
    return await this.#readSlowly(key, this.#filledIn(options));
  }

  /**
   * Purges by tags, keys and patterns, or everything. Once it has returned, nothing that was purged
   * is served by this isolate.
   */
  async purge(
    tags: PurgeTags,
    mode: PurgeMode = "hard",
  ): Promise<Result<PurgeReply, PurgeFailure>> {
    const purging = this.tags.purge(tags, mode);
    // A request that dies must not leave its doubt behind for ever.
    this.#ports.background(purging);
    const purged = await purging;
    this.#ports.counts.purges += 1;
    if (!purged.ok) {
      this.#ports.counts.tagIndexErrors += 1;
      log("error", "cache.purge_failed", describeError(purged.error.error));
    }
    return purged;
  }

  /**
   * Deletes keys that were purged from KV, so that they take no space. @returns those that KV did
   * not delete; none is ever served
   */
  async deleteFromKv(keys: readonly string[]): Promise<{ key: string; error: string }[]> {
    const outcomes = await Promise.allSettled(keys.map((key) => this.#ports.kv.delete(key)));
    return keys.flatMap((key, n) => {
      const outcome = outcomes[n];
      return outcome?.status === "fulfilled" && outcome.value
        ? []
        : [{ key, error: "purged, but its copy in KV is still to be deleted" }];
    });
  }

  async #readSlowly<Value, Failure>(
    key: string,
    read: Read<Value, Failure>,
  ): Promise<CacheRead<Value, Failure>> {
    const began = (this.#order += 1);
    const strict = read.consistency === "strict";
    const trusted = !strict || (await this.tags.verifyStrictly());
    const held = this.#held(key, read);
    let reason: ForwardReason = held === null ? "uri-miss" : "stale";
    if (held !== null && trusted) {
      const hit = await this.#tryHeld(held, read);
      if (hit !== null) return hit;
    }
    if (strict) reason = "request";
    for (let overdue = 0; ;) {
      const joined = this.#joinable(key, read, trusted, began);
      const flight = joined ?? this.#start(key, read, trusted ? "miss" : "origin");
      const landed = (await this.#flights.land(flight)) as Landing<Failure> | null;
      // Who leads a flight that takes too long has a slow origin; who has joined one may have
      // joined a request that died.
      if (landed === null && joined !== null && (overdue += 1) === 1) continue;
      if (flight.progress.bypass && !strict) reason = "bypass";
      const forwarded = { kind: "forwarded", reason, collapsed: joined !== null } as const;
      if (landed === null)
        return this.#withoutOrigin(key, read, { tag: "timed-out" }, flight.progress, forwarded);
      if (landed.kind === "failed")
        return this.#withoutOrigin(key, read, landed.error, flight.progress, forwarded);
      // It may have taken so long that the view has aged.
      if (flight.begun < began) await this.tags.verify();
      if (!fits(landed.entry, read.schema) || !this.#mayAnswer(landed, flight, began)) continue;
      if (landed.kind === "l2") return this.#hit(landed.entry, "l2");
      this.#ports.counts.misses += 1;
      const { detail } = flight.progress;
      const status = { ...forwarded, stored: landed.stored, ...(detail !== null && { detail }) };
      return { ok: true, value: landed.entry.value as Value | null, status };
    }
  }

  /**
   * A flight that is under way, unless what it will bring has been purged since it began to load. A
   * strict read without the index joins only what goes to the origin, and began after itself.
   */
  #joinable<Value, Failure>(
    key: string,
    read: Read<Value, Failure>,
    trusted: boolean,
    began: number,
  ): Flight<Landing<unknown>, Progress> | null {
    const flight = this.#flights.at(key);
    if (!trusted && (flight === null || flight.begun < began || !flight.progress.bypass))
      return null;
    const stamp = flight?.progress.stamp ?? null;
    return stamp !== null && this.tags.view.wasPurged(stamp, knownTags(key, read)) ? null : flight;
  }

  /** What memory holds, under a view that is verified first. */
  async #tryHeld<Value, Failure>(
    held: Entry,
    read: Read<Value, Failure>,
  ): Promise<CacheRead<Value, Failure> | null> {
    const { memory, clock } = this.#ports;
    const verified = await this.tags.verify(held.tags);
    const verdict = await this.#fill.judge(held);
    if (verdict === "purged" && memory.get(held.key) === held) memory.delete(held.key);
    if (!verified || (verdict !== "fresh" && verdict !== "stale")) return null;
    const leftMs = freshForMs(held, clock.now());
    if (verdict === "fresh" && leftMs > 0) return this.#hit(held, "l1");
    const revalidating =
      read.consistency === "stale-ok" &&
      held.value !== null &&
      -leftMs <= read.staleWhileRevalidateMs;
    if (!revalidating) return null;
    this.#refresh(held.key, read);
    this.#ports.counts.hitsStale += 1;
    return {
      ok: true,
      value: held.value as Value,
      status: { kind: "hit", tier: "l1", ttlMs: Math.min(leftMs, -1) },
    };
  }

  /**
   * Whether a landing may answer a read: it is judged by what is known now, also when another read
   * led the flight. A load that began after the read may answer it in any case, since it saw
   * everything that had been written by then.
   */
  #mayAnswer(
    landed: Landing<unknown> & { entry: Entry },
    flight: Flight<unknown, Progress>,
    began: number,
  ): boolean {
    const now = this.#ports.clock.now();
    if (landed.kind === "loaded" && flight.begun > began) return true;
    const verdict = this.#fill.verdictOn(landed.entry);
    if (verdict !== "fresh") return false;
    const { boundMs } = this.tags;
    return (
      this.tags.isFresh(now) ||
      (landed.kind === "loaded" && now - flight.startedAt <= boundMs && now >= flight.startedAt)
    );
  }

  /** The origin did not answer: an older value, then the fallback, then nothing. */
  #withoutOrigin<Value, Failure>(
    key: string,
    read: Read<Value, Failure>,
    error: Failure | CacheFailure,
    { older }: Progress,
    forwarded: Omit<CacheStatus & { kind: "forwarded" }, "stored">,
  ): CacheRead<Value, Failure> {
    const { counts } = this.#ports;
    counts.misses += 1;
    const stale =
      read.consistency === "stale-ok" ? this.#stale(read, [this.#held(key, read), older]) : null;
    if (stale !== null) {
      counts.staleOnError += 1;
      const status = {
        ...forwarded,
        reason: "stale",
        stored: false,
        detail: "origin-error",
      } as const;
      return { ok: true, value: stale.value as Value, status };
    }
    const fallback = read.fallback === undefined ? null : callFallback(read.fallback);
    if (fallback !== null) {
      counts.fallbacks += 1;
      return {
        ok: true,
        value: fallback.value,
        status: { ...forwarded, stored: false, detail: "fallback" },
      };
    }
    counts.unanswered += 1;
    return { ok: false, error, status: { ...forwarded, stored: false, detail: "no-answer" } };
  }

  #stale<Value, Failure>(read: Read<Value, Failure>, candidates: (Entry | null)[]): Entry | null {
    const now = this.#ports.clock.now();
    for (const entry of candidates) {
      if (entry === null || entry.value === null) continue;
      const verdict = this.#fill.verdictOn(entry);
      if (verdict !== "fresh" && verdict !== "stale") continue;
      // Jitter shortens a life, but never the grace after it.
      const lifeMs = Math.max(entry.ttlMs, read.ttlMs);
      if (freshForMs(entry, now) + (lifeMs - entry.ttlMs) + read.staleIfErrorMs >= 0) return entry;
    }
    return null;
  }

  /** Renews in the background what is served meanwhile. */
  #refresh<Value, Failure>(key: string, read: Read<Value, Failure>): void {
    if (this.#flights.at(key) !== null || this.#origin.isPaused(key)) return;
    this.#ports.counts.refreshes += 1;
    this.#start(key, read, "refresh");
  }

  #start<Value, Failure>(
    key: string,
    read: Read<Value, Failure>,
    mode: FillMode,
  ): Flight<Landing<unknown>, Progress> {
    const bypass = mode === "origin";
    const progress: Progress = {
      older: null,
      bypass,
      detail: bypass ? "tags-unreachable" : null,
      stamp: null,
    };
    const [begun, startedAt] = [(this.#order += 1), this.#ports.clock.now()];
    const work = this.#fill.run(key, read, mode, progress);
    // It goes on when the request that began it has its answer, or is aborted: others wait for it
    // too.
    this.#ports.background(work);
    const flight = { begun, startedAt, progress, work };
    this.#flights.start(key, flight);
    return flight;
  }

  #held<Value, Failure>(key: string, read: Read<Value, Failure>): Entry | null {
    const held = this.#ports.memory.get(key);
    return held !== undefined && fits(held, read.schema) ? held : null;
  }

  #hit<Value, Failure>(entry: Entry, tier: Tier): CacheRead<Value, Failure> {
    const { counts, clock } = this.#ports;
    if (tier === "l1") counts.hitsL1 += 1;
    else counts.hitsL2 += 1;
    return {
      ok: true,
      value: entry.value as Value | null,
      status: { kind: "hit", tier, ttlMs: freshForMs(entry, clock.now()) },
    };
  }

  #filledIn<Value, Failure>(options: ReadOptions<Value, Failure>): Read<Value, Failure> {
    return {
      consistency: "stale-ok",
      ttlMs: this.#ports.settings.ttlMs,
      negativeTtlMs: NEGATIVE_TTL_MS,
      negativeIn: "everywhere",
      staleWhileRevalidateMs: STALE_WHILE_REVALIDATE_MS,
      staleIfErrorMs: STALE_IF_ERROR_MS,
      ...options,
    };
  }
}

function callFallback<Value>(fallback: () => Value): { value: Value } | null {
  try {
    return { value: fallback() };
  } catch (error) {
    log("error", "cache.fallback_failed", describeError(error));
    return null;
  }
}
