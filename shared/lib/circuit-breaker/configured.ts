import { log } from "../worker/log.ts";
import { defaultSettings, type BreakerSettings } from "./rules/settings.ts";
import { breakerSettings, type BreakerVariables } from "./rules/variables.ts";

/**
 * The settings from the variables. With a bad one the defaults hold: a breaker must never be why a
 * call fails.
 */
export function configuredSettings(env: BreakerVariables): BreakerSettings {
  const settings = breakerSettings(env);
  if (settings.ok) return settings.value;
  log("error", "circuit_breaker.misconfigured", {
    variable: settings.error.variable,
    problem: settings.error.message,
  });
  return defaultSettings;
}
