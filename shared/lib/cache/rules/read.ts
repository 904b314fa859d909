import type * as v from "valibot";
import type { Result } from "../../base/result.ts";
import type { CacheStatus } from "./cache-status.ts";

/**
 * How much a read may trust the cache.
 *
 * - `stale-ok`: a stale value may be served while it is revalidated, or if the origin fails.
 * - `bounded`: no value that was purged longer ago than the staleness bound, even if parts fail. If
 *   that is unknown, the origin is asked.
 * - `strict`: no value that was purged before this read began. Costs a request to the tag index.
 */
export type Consistency = "stale-ok" | "bounded" | "strict";

export type ReadTags<Value = never> =
  | readonly string[]
  | ((value: Value | null) => readonly string[]);

/** What a read does that leaves these options out. */
export const readDefaults = {
  negativeTtlMs: 10_000,
  staleWhileRevalidateMs: 60_000,
  staleIfErrorMs: 3_600_000,
} as const;

/**
 * Keeps a value of another key that the same load found, so that one round trip answers several
 * reads. It is as fresh as the value of the load and lives as long, in the memory of the isolate
 * only. It is not kept if the load fails, if the value does not fit its schema, or if memory has a
 * newer one.
 */
export type Keep = <Value>(
  key: string,
  value: Value,
  options: { schema: v.GenericSchema<unknown, Value>; tags: readonly string[] },
) => void;

/**
 * How one kind of thing is read through the cache. Durations are in milliseconds; `readDefaults`
 * has the defaults of those without one here. An option that is undefined counts as left out. A
 * life or grace of 0 or less is none: nothing is kept, or nothing served after its life. One of
 * more than a day, also `Infinity`, is a day. What is no number, or `NaN`, is refused by name:
 * `load` is not called, and the read fails with `threw`.
 */
export type ReadOptions<Value, Problem> = {
  /**
   * Validates values from every tier. It must accept its own output, since a value is validated
   * more than once. Create it once: a new schema per read costs a validation per read. Values are
   * stored as JSON. A value that JSON would change (`NaN`, `Infinity`, a `Date`, a `Map`, an
   * instance of a class, a function) is answered and not stored, and the log has its place as
   * `cache.not_json`. A property that is undefined counts as absent.
   */
  schema: v.GenericSchema<unknown, Value>;
  /**
   * Asks the origin. `null`: there is no such thing, which is cached for `negativeTtlMs`. `signal`
   * aborts after `loadTimeoutMs`. At most 64 loads of keys with the same text before the first
   * colon run at a time. `keep` takes what it found for other keys.
   */
  load: (signal: AbortSignal, keep: Keep) => Promise<Result<Value | null, Problem>>;
  /**
   * How long a load may take. A longer one ends as `timed-out`, and its result is ignored. By
   * default twice `CACHE_TIMEOUT_MS`, which is how long a read waits: 10 seconds. More than 0, and
   * at most 30 seconds: a longer one counts as that.
   */
  loadTimeoutMs?: number;
  /**
   * Tags by which the value can be purged, besides its key and the patterns of the key. A function
   * if they depend on the value. At most 1,000, each of up to 1,024 UTF-16 units, not empty and not
   * `*`: otherwise the value is answered and not stored. An entry that was stored with fewer tags
   * is purged by those of a list, too, and by those of a function once it is read from KV.
   */
  tags: ReadTags<Value>;
  /** By default `stale-ok`. */
  consistency?: Consistency;
  /** Answers if the origin fails and no older value may be served. */
  fallback?: () => Value;
  /** For how long a value is fresh. By default `CACHE_TTL_SECONDS`. 0: it is not stored. */
  ttlMs?: number;
  /** For how long a `null` is cached. 0: it is not stored. */
  negativeTtlMs?: number;
  /**
   * Where a `null` is cached. By default `everywhere`. `memory`: strangers who ask for many missing
   * things do not fill KV.
   */
  negativeIn?: "everywhere" | "memory";
  /** For how long after its end of life a value is served while it is revalidated. */
  staleWhileRevalidateMs?: number;
  /** For how long after its end of life a value is served if the origin fails. */
  staleIfErrorMs?: number;
};

/**
 * Why the cache itself has no answer. `timed-out`: the load took too long. `overloaded`: too many
 * loads at once. `threw`: `load` threw, or returned a value that the schema refuses; or an option
 * has no meaning.
 */
export type CacheFailure =
  | { tag: "timed-out" }
  | { tag: "overloaded" }
  | { tag: "threw"; error: unknown };

/** The result of a read. The value is frozen; `null`: there is no such thing. */
export type CacheRead<Value, Problem> =
  | { ok: true; value: Value | null; status: CacheStatus }
  | { ok: false; error: Problem | CacheFailure; status: CacheStatus };
