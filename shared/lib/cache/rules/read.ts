import type * as v from "valibot";
import type { Result } from "../../base/result.ts";
import type { CacheStatus } from "./cache-status.ts";

/**
 * How much a read may trust the cache.
 *
 * - `stale-ok`: what is stale may be served while it is revalidated, or when nothing newer is to be
 *   had.
 * - `bounded`: nothing that was purged longer ago than the bound, whatever fails; else from the
 *   origin or not at all.
 * - `strict`: nothing that was purged before this read began. Costs a question to the tag index.
 */
export type Consistency = "stale-ok" | "bounded" | "strict";

/** How one kind of thing is read through the cache. Durations in milliseconds. */
export type ReadOptions<Value, Failure> = {
  /**
   * What a value must look like, whichever tier it comes from. It must accept what it returns: a
   * value is validated more than once. Best one that is made once: another one each time costs a
   * validation each time. Values are JSON: what JSON loses is lost.
   */
  schema: v.GenericSchema<unknown, Value>;
  /**
   * Asks the origin. `null`: there is no such thing, which is remembered too, for a short while.
   */
  load: () => Promise<Result<Value | null, Failure>>;
  /**
   * What it is about, for purges, beyond its key and the key's patterns. A function where that is
   * known only after the load.
   */
  tags: readonly string[] | ((value: Value | null) => readonly string[]);
  consistency?: Consistency;
  /** An answer when there is no other. */
  fallback?: () => Value;
  ttlMs?: number;
  /** For how long "there is no such thing" is remembered. */
  negativeTtlMs?: number;
  /** Whether others may share it: what strangers can ask for without end must not fill KV. */
  negativeIn?: "everywhere" | "memory";
  /** For how long after its end of life a value is served while it is revalidated. */
  staleWhileRevalidateMs?: number;
  /** For how long after its end of life a value is served if the origin fails. */
  staleIfErrorMs?: number;
};

/** Why the cache itself has no answer. `threw`: the loader has a defect. */
export type CacheFailure =
  | { tag: "timed-out" }
  | { tag: "overloaded" }
  | { tag: "threw"; error: unknown };

/** What a read answers; the value is frozen. */
export type CacheRead<Value, Failure> =
  | { ok: true; value: Value | null; status: CacheStatus }
  | { ok: false; error: Failure | CacheFailure; status: CacheStatus };
