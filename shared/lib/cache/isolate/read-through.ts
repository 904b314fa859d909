import { ok, type Result } from "../../base/result.ts";
import { fanOut } from "../../worker/fan-out.ts";
import { describeError, log } from "../../worker/log.ts";
import type { ForwardReason, Tier } from "../rules/cache-status.ts";
import { durationsOf } from "../rules/durations.ts";
import { fits, freshForMs, type Entry } from "../rules/entry.ts";
import type { CacheRead, ReadOptions, ReadTags } from "../rules/read.ts";
import type { CacheSettings } from "../rules/settings.ts";
import type { PurgeFailure, TagIndexClient } from "../tags/isolate/client.ts";
import type { PurgeTags, PurgeReply } from "../tags/rules/rpc.ts";
import type { PurgeMode } from "../tags/rules/sequence.ts";
import { freshnessOf, lookUpFreshness } from "./entry-freshness.ts";
import { InFlightLoads } from "./in-flight.ts";
import {
  knownTags,
  Load,
  type LoadMode,
  type LoadOutcome,
  type LoadPorts,
  type Read,
} from "./load.ts";
import { Origin } from "./origin.ts";
import { withoutOrigin } from "./without-origin.ts";

export type CachePorts = Omit<LoadPorts, "origin"> & {
  settings: Pick<CacheSettings, "ttlMs" | "timeoutMs">;
};

/**
 * The cache of one isolate: its memory, then KV, then the origin. A read never fails because of the
 * cache, and never returns a purged value after the purge. docs/explain/architecture.md has the
 * guarantees for when a part fails.
 */
export class Cache {
  readonly tags: TagIndexClient;
  readonly #ports: LoadPorts & CachePorts;
  readonly #inFlight: InFlightLoads;
  /** Orders the reads and loads of this isolate. */
  #order = 0;

  constructor(ports: CachePorts) {
    const { clock, random, settings } = ports;
    this.tags = ports.tags;
    this.#ports = { ...ports, origin: new Origin(clock, random, settings.timeoutMs / 2) };
    this.#inFlight = new InFlightLoads(clock, settings.timeoutMs);
  }

  /** Reads through the cache. Never throws. The value that it returns is frozen. */
  async read<Value, Problem>(
    key: string,
    options: ReadOptions<Value, Problem>,
  ): Promise<CacheRead<Value, Problem>> {
    const { memory, clock, tags, countsOf } = this.#ports;
    const held = memory.get(key);
    if (held !== undefined && held.schema === options.schema && options.consistency !== "strict") {
      const now = clock.now();
      const leftMs = freshForMs(held, now);
      if (
        leftMs > 0 &&
        tags.isFresh(now) &&
        freshnessOf(held, tags.view, options.tags) === "fresh"
      ) {
        if (now >= held.refreshAt) {
          const read = this.#withDefaults(options);
          if (read.ok) this.#refresh(key, read.value);
        }
        countsOf(key).hitsL1 += 1;
        return {
          ok: true,
          value: held.value as Value | null,
          status: { kind: "hit", tier: "l1", ttlMs: leftMs },
        };
      }
    }
    const read = this.#withDefaults(options);
    return read.ok ? await this.#readOnMiss(key, read.value) : this.#refused(key, read.error);
  }

  /**
   * Purges by tags, keys and patterns, or everything. Once it has returned, this isolate serves
   * nothing that was purged.
   *
   * @returns `PurgeFailure` if the index did not take the purge
   */
  async purge(
    tags: PurgeTags,
    mode: PurgeMode = "hard",
  ): Promise<Result<PurgeReply, PurgeFailure>> {
    const purging = this.tags.purge(tags, mode);
    // The request may die, and its pending invalidation must still end.
    this.#ports.background(purging);
    const purged = await purging;
    this.#ports.countsOf("").purges += 1;
    if (!purged.ok) {
      this.#ports.countsOf("").tagIndexErrors += 1;
      log("error", "cache.purge_failed", describeError(purged.error.error));
    }
    return purged;
  }

  /**
   * Deletes purged keys from KV, so that they take no space.
   *
   * @returns the keys that KV did not delete. They are not served either
   */
  async deleteFromKv(keys: readonly string[]): Promise<{ key: string; error: string }[]> {
    const deleted = await fanOut(keys, async (key) => await this.#ports.kv.delete(key));
    return keys
      .filter((_, n) => deleted[n] !== true)
      .map((key) => ({ key, error: "purged, but its copy in KV is still to be deleted" }));
  }

  async #readOnMiss<Value, Problem>(
    key: string,
    read: Read<Value, Problem>,
  ): Promise<CacheRead<Value, Problem>> {
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
    let hasRetried = false;
    for (;;) {
      const joined = this.#joinableLoad(key, read, trusted, began);
      const load = joined ?? this.#start(key, read, trusted ? "miss" : "origin");
      const outcome = (await this.#inFlight.awaitLoad(load)) as LoadOutcome<Problem> | null;
      // A load that this read began is slow because of the origin. One that it joined may belong to
      // a request that died, so the read tries again, once.
      if (outcome === null && joined !== null && !hasRetried) {
        hasRetried = true;
        continue;
      }
      if (load.bypassesCache && !strict) reason = "bypass";
      const forwarded = { kind: "forwarded", reason, collapsed: joined !== null } as const;
      if (outcome === null || outcome.kind === "failed") {
        return withoutOrigin(this.#ports, read, {
          key,
          error: outcome === null ? { tag: "timed-out" } : outcome.error,
          candidates: [this.#held(key, read), load.older],
          forwarded,
        });
      }
      // The load may have taken so long that the view is too old.
      if (load.order < began) await this.tags.verify();
      if (!fits(outcome.entry, read.schema)) continue;
      if (!this.#mayAnswer(outcome, load, { began, tags: read.tags })) continue;
      if (outcome.kind === "l2") return this.#hit(outcome.entry, "l2");
      this.#ports.countsOf(key).misses += 1;
      const { detail } = load;
      const status = { ...forwarded, stored: outcome.stored, ...(detail !== null && { detail }) };
      return { ok: true, value: outcome.entry.value as Value | null, status };
    }
  }

  /**
   * The load of this key that is under way, unless its result has been purged since it asked the
   * origin. A strict read without the index joins only a load that asks the origin and that began
   * after the read.
   */
  #joinableLoad<Value, Problem>(
    key: string,
    read: Read<Value, Problem>,
    trusted: boolean,
    began: number,
  ): Load | null {
    const load = this.#inFlight.find(key);
    if (load === null) return null;
    if (!trusted && (load.order < began || !load.bypassesCache)) return null;
    const { stamp } = load;
    return stamp !== null && this.tags.view.wasPurged(stamp, knownTags(key, read)) ? null : load;
  }

  /** Answers from memory, after the view is verified. */
  async #tryHeld<Value, Problem>(
    held: Entry,
    read: Read<Value, Problem>,
  ): Promise<CacheRead<Value, Problem> | null> {
    const { memory, clock } = this.#ports;
    const verified = await this.tags.verify(held.tags);
    const freshness = await lookUpFreshness(held, this.tags, read.tags);
    if (freshness === "purged" && memory.get(held.key) === held) memory.delete(held.key);
    if (!verified || (freshness !== "fresh" && freshness !== "stale")) return null;
    const leftMs = freshForMs(held, clock.now());
    if (freshness === "fresh" && leftMs > 0) return this.#hit(held, "l1");
    const revalidating =
      read.consistency === "stale-ok" &&
      held.value !== null &&
      -leftMs < read.staleWhileRevalidateMs;
    if (!revalidating) return null;
    this.#refresh(held.key, read);
    this.#ports.countsOf(held.key).hitsStale += 1;
    return {
      ok: true,
      value: held.value as Value,
      status: { kind: "hit", tier: "l1", ttlMs: Math.min(leftMs, -1) },
    };
  }

  /**
   * Whether the result of a load may answer a read. Freshness is checked at return time, also when
   * another read began the load. A load that asked the origin after the read began is always fresh
   * enough.
   */
  #mayAnswer(
    outcome: LoadOutcome<unknown> & { entry: Entry },
    load: Load,
    { began, tags }: { began: number; tags: ReadTags },
  ): boolean {
    const now = this.#ports.clock.now();
    if (outcome.kind === "loaded" && load.order > began) return true;
    if (freshnessOf(outcome.entry, this.tags.view, tags) !== "fresh") return false;
    const { boundMs } = this.tags;
    return (
      this.tags.isFresh(now) ||
      (outcome.kind === "loaded" && now - load.startedAt <= boundMs && now >= load.startedAt)
    );
  }

  /** Loads in the background while the present value is served. */
  #refresh<Value, Problem>(key: string, read: Read<Value, Problem>): void {
    if (this.#inFlight.find(key) !== null || this.#ports.origin.isPaused(key)) return;
    this.#ports.countsOf(key).refreshes += 1;
    this.#start(key, read, "refresh");
  }

  #start<Value, Problem>(key: string, read: Read<Value, Problem>, mode: LoadMode): Load {
    const load = new Load(this.#ports, {
      key,
      read: read as Read<unknown, unknown>,
      mode,
      order: (this.#order += 1),
    });
    // It goes on when the request that began it has its answer or is aborted: others await it too.
    this.#ports.background(load.outcome);
    this.#inFlight.add(key, load);
    return load;
  }

  #held<Value, Problem>(key: string, read: Read<Value, Problem>): Entry | null {
    const held = this.#ports.memory.get(key);
    return held !== undefined && fits(held, read.schema) ? held : null;
  }

  #hit<Value, Problem>(entry: Entry, tier: Tier): CacheRead<Value, Problem> {
    const { countsOf, clock } = this.#ports;
    const counts = countsOf(entry.key);
    if (tier === "l1") counts.hitsL1 += 1;
    else counts.hitsL2 += 1;
    return {
      ok: true,
      value: entry.value as Value | null,
      status: { kind: "hit", tier, ttlMs: freshForMs(entry, clock.now()) },
    };
  }

  #withDefaults<Value, Problem>(
    options: ReadOptions<Value, Problem>,
  ): Result<Read<Value, Problem>, TypeError> {
    const durations = durationsOf(options, this.#ports.settings);
    if (!durations.ok) return durations;
    const { consistency = "stale-ok", negativeIn = "everywhere" } = options;
    return ok({ ...options, ...durations.value, consistency, negativeIn });
  }

  /** An option has no meaning. Nothing was asked. */
  #refused<Value, Problem>(key: string, error: TypeError): CacheRead<Value, Problem> {
    const counts = this.#ports.countsOf(key);
    counts.misses += 1;
    counts.unanswered += 1;
    log("error", "cache.option_refused", { message: error.message });
    const forwarded = { kind: "forwarded", reason: "uri-miss", collapsed: false } as const;
    return {
      ok: false,
      error: { tag: "threw", error },
      status: { ...forwarded, stored: false, detail: "no-answer" },
    };
  }
}
