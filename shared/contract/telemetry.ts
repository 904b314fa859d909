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
    "Everything that is counted and measured, in the text format of Prometheus. luna_scrape_ok tells which part did not answer.",
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
    "What the whole fleet counted in each minute (of the last 60, or of so many) or hour, oldest first; the last one still runs. A few seconds old at most.",
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
      series: v.strictObject({
        ...charts,
        requestLatencyP50Ms: latencies,
        requestLatencyP99Ms: latencies,
      }),
    }),
  },
  problems: ["unavailable"],
});
