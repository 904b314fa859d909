import { log } from "../worker/log.ts";
import { defaultCacheSettings, type CacheSettings } from "./rules/settings.ts";
import { cacheSettings, type CacheVariables } from "./rules/variables.ts";

/**
 * A bad variable must not take the cache away: the log names it, and `npm start` refuses to begin.
 */
export function configuredCacheSettings(env: CacheVariables): CacheSettings {
  const settings = cacheSettings(env);
  if (settings.ok) return settings.value;
  log("error", "cache.misconfigured", {
    variable: settings.error.variable,
    problem: settings.error.message,
  });
  return defaultCacheSettings;
}
