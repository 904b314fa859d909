import type * as v from "valibot";
import type { Result } from "../../base/result.ts";
import type { CacheStatus } from "./cache-status.ts";

/**
 * How much a read may trust the cache.
 *
 * - `stale-ok`: a stale value may be served while it is revalidated, or if the origin fails.
 * - `bounded`: no value that was purged longer ago than the staleness bound, whatever fails. If
 *   that is unknown, the origin is asked.
 * - `strict`: no value that was purged before this read began. Costs a request to the tag index.
 */
export type Consistency = "stale-ok" | "bounded" | "strict";

/** How one kind of thing is read through the cache. Durations in milliseconds. */
export type ReadOptions<Value, Problem> = {
  /**
   * Validates values from every tier. It must accept its own output, since a value is validated
   * more than once. Create it once: a new schema per read costs a validation per read. Values are
   * stored as JSON.
   */
  schema: v.GenericSchema<unknown, Value>;
  /** Asks the origin. `null`: there is no such thing, which is cached for `negativeTtlMs`. */
  load: () => Promise<Result<Value | null, Problem>>;
  /**
   * Tags by which the value can be purged, besides its key and the patterns of the key. A function
   * if they depend on the value.
   */
  tags: readonly string[] | ((value: Value | null) => readonly string[]);
  /** By default `stale-ok`. */
  consistency?: Consistency;
  /** Answers if the origin fails and no older value may be served. */
  fallback?: () => Value;
  /** For how long a value is fresh. By default `CACHE_TTL_SECONDS`. */
  ttlMs?: number;
  /** For how long a `null` is cached. By default 10 seconds. */
  negativeTtlMs?: number;
  /**
   * Where a `null` is cached. By default `everywhere`. `memory`: strangers who ask for many missing
   * things do not fill KV.
   */
  negativeIn?: "everywhere" | "memory";
  /**
   * For how long after its end of life a value is served while it is revalidated. By default 1
   * minute.
   */
  staleWhileRevalidateMs?: number;
  /**
   * For how long after its end of life a value is served if the origin fails. By default 1 hour.
   */
  staleIfErrorMs?: number;
};

/**
 * Why the cache itself has no answer. `timed-out`: the load took too long. `overloaded`: too many
 * loads at once. `threw`: `load` threw, or returned a value that the schema refuses.
 */
export type CacheFailure =
  | { tag: "timed-out" }
  | { tag: "overloaded" }
  | { tag: "threw"; error: unknown };

/** The result of a read. The value is frozen; `null`: there is no such thing. */
export type CacheRead<Value, Problem> =
  | { ok: true; value: Value | null; status: CacheStatus }
  | { ok: false; error: Problem | CacheFailure; status: CacheStatus };
