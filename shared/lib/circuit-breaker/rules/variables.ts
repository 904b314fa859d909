import * as v from "valibot";
import { ok, type Result } from "../../base/result.ts";
import {
  readVariables,
  wholeNumber,
  type Misconfigured,
  type VariablesOf,
} from "../../worker/variables.ts";
import { defaultSettings, type BreakerSettings } from "./settings.ts";

const breakerVariables = v.object({
  BREAKER_FAILURES: wholeNumber(defaultSettings.failures, 1, 10_000),
  BREAKER_FAILURE_RATIO: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^(0(\.\d{1,6})?|1(\.0{1,6})?)$/, "must be a number from 0 to 1"),
      v.transform(Number),
    ),
    String(defaultSettings.failureRatio),
  ),
  BREAKER_WINDOW_SECONDS: wholeNumber(defaultSettings.windowMs / 1_000, 1, 3_600),
  BREAKER_OPEN_SECONDS: wholeNumber(defaultSettings.openMs / 1_000, 1, 300),
});

export type BreakerVariables = VariablesOf<typeof breakerVariables>;

/** Reads when a circuit breaker opens, and for how long. Unset variables get the defaults. */
export function breakerSettings(env: BreakerVariables): Result<BreakerSettings, Misconfigured> {
  const variables = readVariables(breakerVariables, env);
  if (!variables.ok) return variables;
  const { BREAKER_FAILURES, BREAKER_FAILURE_RATIO, BREAKER_WINDOW_SECONDS, BREAKER_OPEN_SECONDS } =
    variables.value;
  return ok({
    ...defaultSettings,
    failures: BREAKER_FAILURES,
    failureRatio: BREAKER_FAILURE_RATIO,
    windowMs: BREAKER_WINDOW_SECONDS * 1_000,
    openMs: BREAKER_OPEN_SECONDS * 1_000,
  });
}
