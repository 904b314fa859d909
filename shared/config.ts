import * as v from "valibot";
import { defaultCacheSettings, type CacheSettings } from "./cache/settings.ts";
import { defaultSettings, type BreakerSettings } from "./circuit-breaker/settings.ts";
import type { Variables } from "./env.ts";
import { ok, type Result } from "./result.ts";
import { readVariables, token, wholeNumber, type Misconfigured } from "./variables.ts";

/** The settings of the admin's access, the breakers and the cache. Those of the mails: `email/settings.ts`. */

const authVariables = v.object({ ADMIN_TOKEN: token });

const breakerVariables = v.object({
  BREAKER_FAILURES: wholeNumber(defaultSettings.failures, 1, 10_000),
  BREAKER_FAILURE_RATIO: v.optional(
    v.pipe(v.string(), v.regex(/^(0(\.\d{1,6})?|1(\.0{1,6})?)$/, "must be a number from 0 to 1"), v.transform(Number)),
    String(defaultSettings.failureRatio),
  ),
  BREAKER_WINDOW_SECONDS: wholeNumber(defaultSettings.windowMs / 1_000, 1, 3_600),
  BREAKER_OPEN_SECONDS: wholeNumber(defaultSettings.openMs / 1_000, 1, 300),
});

const cacheVariables = v.object({
  CACHE_TTL_SECONDS: wholeNumber(defaultCacheSettings.ttlMs / 1_000, 1, 43_200),
  CACHE_STALENESS_MS: wholeNumber(defaultCacheSettings.stalenessMs, 1_000, 60_000),
  CACHE_MAX_RETRIES: wholeNumber(defaultCacheSettings.retries, 0, 3),
  CACHE_TIMEOUT_MS: wholeNumber(defaultCacheSettings.timeoutMs, 100, 10_000),
});

/** When a circuit breaker opens, and for how long. */
export function breakerSettings(env: Variables): Result<BreakerSettings, Misconfigured> {
  const variables = readVariables(breakerVariables, env);
  if (!variables.ok) return variables;
  const { BREAKER_FAILURES, BREAKER_FAILURE_RATIO, BREAKER_WINDOW_SECONDS, BREAKER_OPEN_SECONDS } = variables.value;
  return ok({
    ...defaultSettings,
    failures: BREAKER_FAILURES,
    failureRatio: BREAKER_FAILURE_RATIO,
    windowMs: BREAKER_WINDOW_SECONDS * 1_000,
    openMs: BREAKER_OPEN_SECONDS * 1_000,
  });
}

/** How the cache behaves. */
export function cacheSettings(env: Variables): Result<CacheSettings, Misconfigured> {
  const variables = readVariables(cacheVariables, env);
  if (!variables.ok) return variables;
  const { CACHE_TTL_SECONDS, CACHE_STALENESS_MS, CACHE_MAX_RETRIES, CACHE_TIMEOUT_MS } = variables.value;
  return ok({
    ttlMs: CACHE_TTL_SECONDS * 1_000,
    stalenessMs: CACHE_STALENESS_MS,
    retries: CACHE_MAX_RETRIES,
    timeoutMs: CACHE_TIMEOUT_MS,
  });
}

export function adminToken(env: Variables): Result<string, Misconfigured> {
  const variables = readVariables(authVariables, env);
  return variables.ok ? ok(variables.value.ADMIN_TOKEN) : variables;
}
