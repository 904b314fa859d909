import * as v from "valibot";
import type { BreakerSettings } from "./settings.ts";

/** When a breaker opens, and for how long, as the code of a caller asks for one dependency. */
export type Thresholds = {
  [Name in "failures" | "failureRatio" | "slowRatio" | "windowMs" | "openMs"]?: number | undefined;
};

export const MOST_FAILURES = 10_000;
export const MOST_WINDOW_SECONDS = 3_600;
export const MOST_OPEN_SECONDS = 300;

const number = (min: number, max: number) => {
  const message = `must be a number from ${min} to ${max}`;
  return v.pipe(v.number(message), v.minValue(min, message), v.maxValue(max, message));
};
const whole = (min: number, max: number) =>
  v.pipe(
    v.number("must be a number"),
    v.integer("must be a whole number"),
    v.minValue(min, `must be at least ${min}`),
    v.maxValue(max, `must be at most ${max}`),
  );

export const failures = v.optional(whole(1, MOST_FAILURES));
export const ratio = v.optional(number(0, 1));
export const seconds = (most: number) => v.optional(whole(1, most));

export const thresholds = v.object({
  failures,
  failureRatio: ratio,
  slowRatio: ratio,
  windowMs: v.optional(whole(1_000, MOST_WINDOW_SECONDS * 1_000)),
  openMs: v.optional(whole(1_000, MOST_OPEN_SECONDS * 1_000)),
});

export function withThresholds(settings: BreakerSettings, asked: Thresholds): BreakerSettings {
  const {
    failures: count = settings.failures,
    failureRatio = settings.failureRatio,
    slowRatio = settings.slowRatio,
    windowMs = settings.windowMs,
    openMs = settings.openMs,
  } = asked;
  return { ...settings, failures: count, failureRatio, slowRatio, windowMs, openMs };
}

const names = ["failures", "failureRatio", "slowRatio", "windowMs", "openMs"] as const;

export function areSame(one: Thresholds, other: Thresholds): boolean {
  return names.every((name) => one[name] === other[name]);
}
