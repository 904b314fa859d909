import { runBreakers, WARM_UP_MS } from "./breaker-run.ts";
import { CALLS_PER_SECOND } from "./breaker-sections.ts";
import { markdownTable, number, percent, quantile } from "./format.ts";
import { REQUESTS_PER_SECOND } from "./object-queue.ts";
import { lines } from "./plot.ts";
import { purgeRow, saturationTable, type PurgeRow } from "./purge-rows.ts";
import type { Report } from "./report.ts";

export type SaturationScale = {
  seed: number;
  breakerFleets: readonly number[];
  indexFleets: readonly number[];
  measuredMs: number;
};

const TROUBLE_MS = 45_000;
const AFTER_MS = 30_000;

type BreakerLoad = {
  isolates: number;
  requestsPerSecond: number;
  medianWaitMs: number;
  slowWaitMs: number;
  refused: number;
  localShare: number;
  exposed: number;
  probes: number;
};

/** One breaker object that more and more isolates ask. */
async function breakerLoads({ seed, breakerFleets }: SaturationScale): Promise<BreakerLoad[]> {
  const loads: BreakerLoad[] = [];
  for (const isolates of breakerFleets) {
    const plan = {
      breaker: "fleet",
      isolates,
      callsPerSecond: CALLS_PER_SECOND,
      scenario: { kind: "down" },
      seed,
    } as const;
    const run = await runBreakers({
      ...plan,
      outageMs: TROUBLE_MS,
      afterMs: AFTER_MS,
      requestsPerSecond: REQUESTS_PER_SECOND,
    });
    const waits = run.queue?.waits ?? [];
    loads.push({
      isolates,
      requestsPerSecond: run.objectRequests / ((WARM_UP_MS + TROUBLE_MS + AFTER_MS) / 1_000),
      medianWaitMs: quantile(waits, 0.5),
      slowWaitMs: quantile(waits, 0.99),
      refused: run.queue?.refused ?? 0,
      localShare: run.localShare,
      exposed: run.errors / ((isolates * CALLS_PER_SECOND * TROUBLE_MS) / 1_000),
      probes: run.probes,
    });
  }
  return loads;
}

/** One index that more and more isolates ask: a synced view, each isolate read once per second. */
export async function indexLoads(
  { seed, indexFleets, measuredMs }: Omit<SaturationScale, "breakerFleets">,
  requestsPerSecond = REQUESTS_PER_SECOND,
): Promise<PurgeRow[]> {
  const rows: PurgeRow[] = [];
  for (const isolates of indexFleets) {
    const plan = {
      reads: "view",
      isolates,
      readsPerSecond: 1,
      boundMs: 2_000,
      measuredMs,
      seed,
      requestsPerSecond,
    } as const;
    rows.push(await purgeRow([isolates.toLocaleString("en")], plan));
  }
  return rows;
}

/** Where one object is full, and what then. */
export async function saturationReport(scale: SaturationScale): Promise<Report> {
  const loads = await breakerLoads(scale);
  const rows = await indexLoads(scale);
  const head = [
    "isolates",
    "calls per second",
    "requests per second",
    "wait at the object: median",
    "99 %",
    "refused",
    "isolates on their own",
    "errors, of the outage",
    "probes",
  ];
  const cells = loads.map((load) => [
    number(load.isolates),
    number(load.isolates * CALLS_PER_SECOND),
    number(load.requestsPerSecond),
    `${number(load.medianWaitMs)} ms`,
    `${number(load.slowWaitMs)} ms`,
    number(load.refused),
    percent(load.localShare),
    percent(load.exposed),
    number(load.probes),
  ]);
  const { indexFleets } = scale;
  return {
    parts: {
      "saturation-breaker": markdownTable(head, cells, 1),
      "saturation-index": saturationTable(["isolates"], rows),
    },
    images: {
      saturation: lines(
        "One object that takes 1,000 requests per second",
        { name: "isolates", scale: "value" },
        { name: "%", scale: "value", max: 100 },
        [
          {
            name: "breaker: isolates on their own",
            points: loads.map(({ isolates, localShare }) => [isolates, 100 * localShare]),
          },
          {
            name: "breaker: errors, of the outage",
            points: loads.map(({ isolates, exposed }) => [isolates, 100 * exposed]),
          },
          {
            name: "index: reads that reach the origin",
            points: rows.map((row, n) => [indexFleets[n] ?? 0, row.loadsPerMillionReads / 1e4]),
            dashed: true,
          },
        ],
      ),
    },
  };
}
