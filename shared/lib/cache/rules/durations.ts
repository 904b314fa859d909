import { fail, ok, type Result } from "../../base/result.ts";
import { MAX_LIFE_MS } from "./entry.ts";
import { readDefaults, type ReadOptions } from "./read.ts";
import type { CacheSettings } from "./settings.ts";

/** The durations of a read, with the defaults filled in, each within its bounds. */
export type Durations = Required<Pick<ReadOptions<unknown, unknown>, Name>>;
type Name =
  | "ttlMs"
  | "negativeTtlMs"
  | "staleWhileRevalidateMs"
  | "staleIfErrorMs"
  | "loadTimeoutMs";

/** The runtime ends work of a request 30 s after its response. */
const MAX_LOAD_MS = 30_000;
/** A load that is too slow for its reads still fills the cache. */
const LOAD_TIMEOUTS = 2;

/**
 * Undefined counts as left out. A life or grace of 0 or less is none, and one over a day is a day.
 *
 * @returns what is wrong with the first bad one
 */
export function durationsOf(
  given: Pick<ReadOptions<never, unknown>, Name>,
  settings: Pick<CacheSettings, "ttlMs" | "timeoutMs">,
): Result<Durations, TypeError> {
  const {
    ttlMs = settings.ttlMs,
    negativeTtlMs = readDefaults.negativeTtlMs,
    staleWhileRevalidateMs = readDefaults.staleWhileRevalidateMs,
    staleIfErrorMs = readDefaults.staleIfErrorMs,
    loadTimeoutMs = settings.timeoutMs * LOAD_TIMEOUTS,
  } = given;
  const all = { ttlMs, negativeTtlMs, staleWhileRevalidateMs, staleIfErrorMs, loadTimeoutMs };
  for (const [name, value] of Object.entries(all))
    if (typeof value !== "number" || Number.isNaN(value))
      return fail(new TypeError(`${name} must be a number of milliseconds`));
  if (loadTimeoutMs <= 0) return fail(new TypeError("loadTimeoutMs must be more than 0"));
  return ok({
    ttlMs: atMostADay(ttlMs),
    negativeTtlMs: atMostADay(negativeTtlMs),
    staleWhileRevalidateMs: atMostADay(staleWhileRevalidateMs),
    staleIfErrorMs: atMostADay(staleIfErrorMs),
    loadTimeoutMs: Math.min(loadTimeoutMs, MAX_LOAD_MS),
  });
}

const atMostADay = (ms: number): number => Math.min(Math.max(ms, 0), MAX_LIFE_MS);
