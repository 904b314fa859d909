/** How far back the charts go. */
export const ranges = {
  hour: { name: "last hour", query: { minutes: "60" } },
  day: { name: "last day", query: { hours: "24" } },
  month: { name: "last 30 days", query: { hours: "720" } },
} as const;
export type Range = keyof typeof ranges;
export const rangeNames = Object.keys(ranges) as Range[];
