import * as v from "valibot";
import { time } from "../http/time.ts";
import { chartNames, type ChartName } from "../telemetry/rules/history.ts";
import { operation } from "./operation.ts";

const tag = "operations";

const upTo = (max: number, message: string) =>
  v.pipe(
    v.string(),
    v.regex(/^[1-9]\d{0,3}$/, message),
    v.transform(Number),
    v.check((number) => number <= max, message),
  );

const counts = v.array(v.pipe(v.number(), v.integer(), v.minValue(0)));
const latencies = v.array(v.nullable(v.number()));
const ranges = v.array(
  v.nullable(v.strictObject({ fromMs: v.number(), toMs: v.nullable(v.number()) })),
);
const charts = Object.fromEntries(chartNames.map((name) => [name, counts])) as Record<
  ChartName,
  typeof counts
>;

export const scrapeMetrics = operation({
  id: "scrapeMetrics",
  method: "GET",
  path: "/metrics",
  access: "viewer",
  tag,
  summary:
    "All metrics in the Prometheus text format. " +
    "luna_scrape_ok is 0 for a part that did not answer.",
  answers: { 200: { mediaType: "text/plain" } },
  problems: [],
});

export const getTelemetry = operation({
  id: "getTelemetry",
  method: "GET",
  path: "/api/admin/telemetry",
  access: "viewer",
  tag,
  summary:
    "The counts of the whole fleet by minute (60 by default) or by hour, oldest first. The last " +
    "period is still running. At most a few seconds old. reported: whether any Worker reported " +
    "in that step; without it a 0 is no measurement. A latency is estimated within its range, " +
    "which is what was measured; toMs is null above the last bound.",
  query: v.pipe(
    v.strictObject({
      minutes: v.optional(upTo(1_440, "must be from 1 to 1440")),
      hours: v.optional(upTo(720, "must be from 1 to 720")),
    }),
    v.check(
      ({ minutes, hours }) => minutes === undefined || hours === undefined,
      "must have either minutes or hours",
    ),
  ),
  answers: {
    200: v.strictObject({
      from: time,
      stepSeconds: v.picklist([60, 3_600]),
      reported: v.array(v.boolean()),
      series: v.strictObject({
        ...charts,
        requestLatencyP50Ms: latencies,
        requestLatencyP99Ms: latencies,
        requestLatencyP50Range: ranges,
        requestLatencyP99Range: ranges,
      }),
    }),
  },
  problems: ["unavailable"],
});
