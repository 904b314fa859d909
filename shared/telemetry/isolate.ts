import { waitUntil } from "cloudflare:workers";
import { systemClock } from "../lib/base/clock.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { getStub, type PlacementEnv } from "../lib/worker/placement.ts";
import { listFields } from "../lib/worker/validate.ts";
import { AnalyticsPoints } from "./analytics.ts";
import { TelemetryClient } from "./client.ts";
import { counters } from "./counters.ts";
import type { Telemetry } from "./object.ts";
import type { WorkerName } from "./rules/metrics.ts";
import { TELEMETRY_NAME } from "./rules/rpc.ts";

/** `ANALYTICS`: optional. All counts are also written there, for queries in SQL. */
export type TelemetryEnv = PlacementEnv & {
  TELEMETRY: DurableObjectNamespace<Telemetry>;
  ANALYTICS?: AnalyticsEngineDataset;
};

/** State of this isolate. Keyed by binding, so that each test's stand-in has its own reporter. */
const reporters = new WeakMap<TelemetryEnv["TELEMETRY"], Reporter>();
type Reporter = { client: TelemetryClient; sources: (() => Record<string, number>)[] };
let worker: WorkerName | undefined;

/** Sets the Worker's name in the reports of this isolate. */
export function setWorkerName(name: WorkerName): void {
  worker = name;
}

/** The Worker's name, unless it is a Worker of another product. */
export function workerName(): WorkerName | undefined {
  return worker;
}

/** Adds the totals of a part with its own counts to the reports. They may only grow. */
export function addSource(env: TelemetryEnv, totals: () => Record<string, number>): void {
  reporterOf(env).sources.push(totals);
}

/** To be called after counting. The report follows in the background. Never throws. */
export function reportSoon(env: TelemetryEnv): void {
  try {
    reporterOf(env).client.touch();
  } catch (error) {
    log("warn", "telemetry.report_failed", describeError(error));
  }
}

function reporterOf(env: TelemetryEnv): Reporter {
  const { TELEMETRY: namespace, ANALYTICS: dataset } = env;
  const known = reporters.get(namespace);
  if (known !== undefined) return known;
  const sources = [() => counters.totals()];
  const points = new AnalyticsPoints();
  const client = new TelemetryClient({
    send: async (report) => {
      const reply = await getStub(namespace, TELEMETRY_NAME, env).report({
        ...report,
        ...(worker !== undefined && { worker }),
      });
      if (!reply.ok) throw new TypeError(listFields(reply.error.errors));
    },
    totals: () => summedUp(sources),
    clock: systemClock,
    background: waitUntil,
    newId: () => crypto.randomUUID(),
    onError: (error) => log("warn", "telemetry.report_failed", describeError(error)),
    onReported: (increments) => {
      if (dataset === undefined) return;
      points.add(increments);
      for (const point of points.take()) dataset.writeDataPoint(point);
    },
  });
  const reporter = { client, sources };
  reporters.set(namespace, reporter);
  return reporter;
}

function summedUp(sources: Reporter["sources"]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const totals of sources)
    for (const [name, total] of Object.entries(totals())) sums[name] = (sums[name] ?? 0) + total;
  return sums;
}
