import { log } from "../worker/log.ts";
import { defaultCacheSettings, type CacheSettings } from "./rules/settings.ts";
import { cacheSettings, type CacheVariables } from "./rules/variables.ts";

/**
 * Reads the settings from the variables. If a variable is bad, it is logged and all defaults are
 * used: a bad variable must not disable the cache.
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
