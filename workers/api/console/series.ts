import type { AnswerBody } from "./api.ts";
import type { RecentRequests } from "./issues.ts";

/** The fleet's counts over time. Pure. */

export const perStep = (stepSeconds: number): string =>
  stepSeconds === 60 ? "per minute" : "per hour";

export const sum = (values: readonly (number | null)[]): number =>
  values.reduce<number>((total, value) => total + (value ?? 0), 0);

/** Counts with a gap where nothing was reported: a zero there is no measurement. */
export const withGaps = (
  counts: readonly number[],
  reported: readonly boolean[],
): (number | null)[] => counts.map((count, n) => (reported[n] === false ? null : count));

const RECENT_MINUTES = 10;

/** The requests of the last minutes, of a telemetry by minute. */
export function recentRequests({
  series,
}: Pick<AnswerBody<"getTelemetry">, "series">): RecentRequests {
  return {
    minutes: RECENT_MINUTES,
    requests: sum(series.requests.slice(-RECENT_MINUTES)),
    errors5xx: sum(series.errors5xx.slice(-RECENT_MINUTES)),
  };
}
