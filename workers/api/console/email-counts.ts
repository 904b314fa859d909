import type { AnswerBody } from "./api.ts";

/** The counts of emails by day, for a chart. Pure. */

export type EmailCount = AnswerBody<"listEmailCounts">["items"][number];

export const CHART_DAYS = 30;
const DAY_MS = 86_400_000;

/** Days in order, up to today; null for a day that is not counted. */
export type DaysOfCounts = { from: string; days: (EmailCount | null)[] };

/** @param items in any order */
export function lastDays(items: readonly EmailCount[], now: number): DaysOfCounts {
  const today = Math.floor(now / DAY_MS) * DAY_MS;
  const byDay = new Map(items.map((item) => [item.day, item]));
  const from = today - (CHART_DAYS - 1) * DAY_MS;
  const days = Array.from({ length: CHART_DAYS }, (_, n) => {
    const day = new Date(from + n * DAY_MS).toISOString().slice(0, 10);
    return byDay.get(day) ?? null;
  });
  return { from: new Date(from).toISOString(), days };
}

/** One figure of each day, with gaps where nothing is known. */
export const figures = (
  { days }: DaysOfCounts,
  figure: (count: EmailCount) => number,
): (number | null)[] => days.map((count) => (count === null ? null : figure(count)));

/** The newest time of a count: how current the chart is. */
export const countedAt = (items: readonly EmailCount[]): string | null =>
  items
    .flatMap((item) => item.countedAt ?? [])
    .toSorted()
    .at(-1) ?? null;
