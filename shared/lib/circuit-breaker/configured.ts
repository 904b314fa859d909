import { log } from "../worker/log.ts";
import { defaultSettings, type BreakerSettings } from "./rules/settings.ts";
import type { Thresholds } from "./rules/thresholds.ts";
import { breakerSettings, type BreakerVariables } from "./rules/variables.ts";

/**
 * Reads the settings from the variables. If a variable is bad, it is logged and all defaults are
 * used: a breaker must not make calls fail.
 */
export function configuredSettings(
  env: BreakerVariables,
  dependency: string,
  asked: Thresholds = {},
): BreakerSettings {
  const settings = breakerSettings(env, dependency, asked);
  if (settings.ok) return settings.value;
  log("error", "circuit_breaker.misconfigured", {
    variable: settings.error.variable,
    problem: settings.error.message,
  });
  return defaultSettings;
}
