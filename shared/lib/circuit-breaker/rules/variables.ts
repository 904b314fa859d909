import * as v from "valibot";
import { ok, type Result } from "../../base/result.ts";
import { record } from "../../worker/record.ts";
import {
  readVariables,
  wholeNumber,
  type Misconfigured,
  type VariablesOf,
} from "../../worker/variables.ts";
import { defaultSettings, type BreakerSettings } from "./settings.ts";
import {
  failures,
  MOST_FAILURES,
  MOST_OPEN_SECONDS,
  MOST_WINDOW_SECONDS,
  ratio as ratioOption,
  seconds,
  withThresholds,
  type Thresholds,
} from "./thresholds.ts";

const ratio = v.pipe(
  v.string(),
  v.regex(/^(0(\.\d{1,6})?|1(\.0{1,6})?)$/, "must be a number from 0 to 1"),
  v.transform(Number),
);

/** The settings of one dependency, where they differ from those of all. */
const ownSettings = v.strictObject(
  {
    failures,
    failureRatio: ratioOption,
    slowRatio: ratioOption,
    windowSeconds: seconds(MOST_WINDOW_SECONDS),
    openSeconds: seconds(MOST_OPEN_SECONDS),
  },
  "is no setting, or its value is no object",
);

const isObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const breakerVariables = v.object({
  BREAKER_FAILURES: wholeNumber(defaultSettings.failures, 1, MOST_FAILURES),
  BREAKER_FAILURE_RATIO: v.optional(ratio, String(defaultSettings.failureRatio)),
  BREAKER_SLOW_RATIO: v.optional(ratio, String(defaultSettings.slowRatio)),
  BREAKER_WINDOW_SECONDS: wholeNumber(defaultSettings.windowMs / 1_000, 1, MOST_WINDOW_SECONDS),
  BREAKER_OPEN_SECONDS: wholeNumber(defaultSettings.openMs / 1_000, 1, MOST_OPEN_SECONDS),
  BREAKER_DEPENDENCIES: v.optional(
    v.pipe(
      v.string(),
      v.parseJson(undefined, "must be JSON"),
      v.check(isObject, "must be an object"),
      record(v.string(), ownSettings),
    ),
    "{}",
  ),
});

export type BreakerVariables = VariablesOf<typeof breakerVariables>;

/**
 * Reads when the circuit breaker of a dependency opens, and for how long. `BREAKER_DEPENDENCIES`
 * comes first, then the variables for all, then what a caller asks for, then the defaults.
 *
 * @param dependency without it: the settings of those that have none of their own
 * @param asked what the code of a caller asks for
 */
export function breakerSettings(
  env: BreakerVariables,
  dependency = "",
  asked: Thresholds = {},
): Result<BreakerSettings, Misconfigured> {
  const variables = readVariables(breakerVariables, env);
  if (!variables.ok) return variables;
  const all = variables.value;
  const own = new Map(Object.entries(all.BREAKER_DEPENDENCIES)).get(dependency) ?? {};
  const ifSet = <Value>(name: keyof BreakerVariables, value: Value): Value | undefined =>
    env[name] === undefined ? undefined : value;
  const ofAll = {
    failures: ifSet("BREAKER_FAILURES", all.BREAKER_FAILURES),
    failureRatio: ifSet("BREAKER_FAILURE_RATIO", all.BREAKER_FAILURE_RATIO),
    slowRatio: ifSet("BREAKER_SLOW_RATIO", all.BREAKER_SLOW_RATIO),
    windowMs: ifSet("BREAKER_WINDOW_SECONDS", all.BREAKER_WINDOW_SECONDS * 1_000),
    openMs: ifSet("BREAKER_OPEN_SECONDS", all.BREAKER_OPEN_SECONDS * 1_000),
  };
  const { windowSeconds, openSeconds, ...shares } = own;
  const ofOne = {
    ...shares,
    ...(windowSeconds !== undefined && { windowMs: windowSeconds * 1_000 }),
    ...(openSeconds !== undefined && { openMs: openSeconds * 1_000 }),
  };
  return ok([asked, ofAll, ofOne].reduce(withThresholds, defaultSettings));
}
