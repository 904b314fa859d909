import * as v from "valibot";
import { ok, type Result } from "../../base/result.ts";
import {
  readVariables,
  wholeNumber,
  type Misconfigured,
  type VariablesOf,
} from "../../worker/variables.ts";
import { defaultCacheSettings, type CacheSettings } from "./settings.ts";

const cacheVariables = v.object({
  CACHE_TTL_SECONDS: wholeNumber(defaultCacheSettings.ttlMs / 1_000, 1, 43_200),
  CACHE_STALENESS_MS: wholeNumber(defaultCacheSettings.stalenessMs, 1_000, 60_000),
  CACHE_MAX_RETRIES: wholeNumber(defaultCacheSettings.retries, 0, 3),
  CACHE_TIMEOUT_MS: wholeNumber(defaultCacheSettings.timeoutMs, 100, 10_000),
});

export type CacheVariables = VariablesOf<typeof cacheVariables>;

/** Reads the settings of the cache. Unset variables get the defaults. */
export function cacheSettings(env: CacheVariables): Result<CacheSettings, Misconfigured> {
  const variables = readVariables(cacheVariables, env);
  if (!variables.ok) return variables;
  const { CACHE_TTL_SECONDS, CACHE_STALENESS_MS, CACHE_MAX_RETRIES, CACHE_TIMEOUT_MS } =
    variables.value;
  return ok({
    ttlMs: CACHE_TTL_SECONDS * 1_000,
    stalenessMs: CACHE_STALENESS_MS,
    retries: CACHE_MAX_RETRIES,
    timeoutMs: CACHE_TIMEOUT_MS,
  });
}
