import { breakerSettings } from "../config.ts";
import type { Variables } from "../env.ts";
import { log } from "../telemetry/log.ts";
import { defaultSettings, type BreakerSettings } from "./settings.ts";

/** The settings from the variables. With a bad one the defaults hold: a breaker must never be why a call fails. */
export function configuredSettings(env: Variables): BreakerSettings {
  const settings = breakerSettings(env);
  if (settings.ok) return settings.value;
  log("error", "circuit_breaker.misconfigured", { variable: settings.error.variable, problem: settings.error.message });
  return defaultSettings;
}
