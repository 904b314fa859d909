import * as v from "valibot";
import { defaultCacheSettings, type CacheSettings } from "./cache/settings.ts";
import { defaultSettings, type BreakerSettings } from "./circuit-breaker/settings.ts";
import type { Variables } from "./env.ts";
import { ok, type Result } from "./result.ts";
import { readVariables, token, wholeNumber, type Misconfigured } from "./variables.ts";

/** The settings of the admin's access, other sites, the breakers, the cache and where objects live. The rest: `{email,alerts}/settings.ts`. */

const optionalToken = v.optional(v.union([v.literal(""), token], "must have at least 32 characters"), "");

const authVariables = v.pipe(
  v.object({
    ADMIN_TOKEN: token,
    ADMIN_TOKEN_PREVIOUS: optionalToken,
    READONLY_TOKEN: optionalToken,
    ACCESS_TEAM_DOMAIN: v.optional(
      v.union(
        [v.literal(""), v.pipe(v.string(), v.regex(/^[a-z0-9-]+\.cloudflareaccess\.com$/))],
        "must look like example.cloudflareaccess.com",
      ),
      "",
    ),
    ACCESS_AUDIENCE: v.optional(
      v.union([v.literal(""), v.pipe(v.string(), v.regex(/^[\w-]{16,128}$/))], "must be the tag of an Access application"),
      "",
    ),
  }),
  v.forward(
    v.check(
      (given) => (given.ACCESS_TEAM_DOMAIN === "") === (given.ACCESS_AUDIENCE === ""),
      "is needed with ACCESS_TEAM_DOMAIN, and for nothing without it",
    ),
    ["ACCESS_AUDIENCE"],
  ),
  v.forward(
    v.check(
      (given) => given.READONLY_TOKEN === "" || ![given.ADMIN_TOKEN, given.ADMIN_TOKEN_PREVIOUS].includes(given.READONLY_TOKEN),
      "must not be an admin token",
    ),
    ["READONLY_TOKEN"],
  ),
);

const corsVariables = v.object({
  CORS_ORIGINS: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) =>
        text
          .split(",")
          .map((origin) => origin.trim())
          .filter((origin) => origin !== ""),
      ),
      v.check((origins) => origins.every(isOrigin), "must be origins such as https://app.example.com, separated by commas"),
    ),
    "",
  ),
});

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

/** The tokens that operators hold. `admin`: the valid ones, newest first; two while one replaces the other. */
export type AuthSettings = { admin: string[]; readonly: string | null; access: { teamDomain: string; audience: string } | null };

export function authSettings(env: Variables): Result<AuthSettings, Misconfigured> {
  const variables = readVariables(authVariables, env);
  if (!variables.ok) return variables;
  const { ADMIN_TOKEN, ADMIN_TOKEN_PREVIOUS, READONLY_TOKEN, ACCESS_TEAM_DOMAIN: teamDomain, ACCESS_AUDIENCE: audience } = variables.value;
  return ok({
    admin: [ADMIN_TOKEN, ADMIN_TOKEN_PREVIOUS].filter((one) => one !== ""),
    readonly: READONLY_TOKEN === "" ? null : READONLY_TOKEN,
    access: teamDomain === "" ? null : { teamDomain, audience },
  });
}

/** The origins whose pages may call the API. */
export function corsOrigins(env: Variables): Result<string[], Misconfigured> {
  const variables = readVariables(corsVariables, env);
  return variables.ok ? ok(variables.value.CORS_ORIGINS) : variables;
}

/** Where Cloudflare may be asked to make an object (https://developers.cloudflare.com/durable-objects/reference/data-location/#supported-locations). */
const locations = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"] as const satisfies DurableObjectLocationHint[];

const objectVariables = v.object({
  OBJECT_LOCATION_HINT: v.optional(v.picklist(["", ...locations], `must be one of ${locations.join(", ")}`), ""),
});

/** Near where objects are made; null: near whoever asks first. */
export function objectLocation(env: Variables): Result<(typeof locations)[number] | null, Misconfigured> {
  const read = readVariables(objectVariables, env);
  if (!read.ok) return read;
  return ok(read.value.OBJECT_LOCATION_HINT === "" ? null : read.value.OBJECT_LOCATION_HINT);
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text && /^https?:/.test(text);
}
