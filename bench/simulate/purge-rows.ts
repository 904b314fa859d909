import { markdownTable, number, percent, quantile, seconds } from "./format.ts";
import { runPurges, type PurgePlan, type ReadKind } from "./purge-run.ts";

export type PurgeScale = {
  seed: number;
  fleets: readonly number[];
  isolates: number;
  measuredMs: number;
};

export type PurgeRow = {
  names: string[];
  boundMs: number;
  stalePerMillionReads: number;
  /** 0 where no read was stale. */
  worstStalenessMs: number;
  requestsPerMillionReads: number;
  loadsPerMillionReads: number;
  unanswered: number;
  purgesRepeated: number;
  medianReadMs: number;
  slowReadMs: number;
  requestsPerSecond: number;
};

const labels: Record<ReadKind, string> = { view: "synced view", asked: "asked on every read" };
const kinds: readonly ReadKind[] = ["view", "asked"];
const BOUND_MS = 2_000;
const perMillion = (count: number, reads: number): number => (count / Math.max(reads, 1)) * 1e6;

export async function purgeRow(names: string[], plan: PurgePlan): Promise<PurgeRow> {
  const { reads, stalenessMs, indexRequests, loads, readMs, unanswered, purgesRepeated } =
    await runPurges(plan);
  return {
    names,
    boundMs: plan.boundMs,
    stalePerMillionReads: perMillion(stalenessMs.length, reads),
    worstStalenessMs: stalenessMs.reduce((most, each) => Math.max(most, each), 0),
    requestsPerMillionReads: perMillion(indexRequests, reads),
    loadsPerMillionReads: perMillion(loads, reads),
    unanswered,
    purgesRepeated,
    medianReadMs: quantile(readMs, 0.5),
    slowReadMs: quantile(readMs, 0.99),
    requestsPerSecond: indexRequests / (plan.measuredMs / 1_000),
  };
}

/** Fleets by size, each isolate read once per second. */
export async function purgeFleetRows({
  seed,
  fleets,
  measuredMs,
}: PurgeScale): Promise<PurgeRow[]> {
  const rows: PurgeRow[] = [];
  for (const isolates of fleets) {
    for (const reads of kinds) {
      const plan = { reads, isolates, readsPerSecond: 1, boundMs: BOUND_MS, measuredMs, seed };
      rows.push(await purgeRow([isolates.toLocaleString("en"), labels[reads]], plan));
    }
  }
  return rows;
}

/** By the bound, which is what a reader is promised. */
export async function boundRows({ seed, isolates, measuredMs }: PurgeScale): Promise<PurgeRow[]> {
  const rows: PurgeRow[] = [];
  for (const boundMs of [1_000, 2_000, 5_000, 10_000]) {
    const plan = { reads: "view", isolates, readsPerSecond: 1, boundMs, measuredMs, seed } as const;
    rows.push(await purgeRow([seconds(boundMs), labels.view], plan));
  }
  return rows;
}

/** By how often an isolate is read. */
export async function readRateRows(
  { seed, isolates, measuredMs }: PurgeScale,
  rates: readonly number[],
): Promise<PurgeRow[]> {
  const rows: PurgeRow[] = [];
  for (const readsPerSecond of rates) {
    const plan = {
      reads: "view",
      isolates: Math.min(isolates, 50),
      readsPerSecond,
      boundMs: BOUND_MS,
      measuredMs,
      seed,
    } as const;
    rows.push(await purgeRow([`${readsPerSecond}`, labels.view], plan));
  }
  return rows;
}

export function purgeTable(nameHeads: string[], rows: readonly PurgeRow[]): string {
  const perMillionReads = ["stale", "loads", "object requests"].map(
    (what) => `${what} per 10⁶ reads`,
  );
  const head = [
    ...nameHeads,
    "worst staleness",
    ...perMillionReads,
    "a read takes: median",
    "99 %",
  ];
  const cells = rows.map((row) => [
    ...row.names,
    `${number(row.worstStalenessMs)} ms`,
    number(row.stalePerMillionReads),
    number(row.loadsPerMillionReads),
    number(row.requestsPerMillionReads),
    `${number(row.medianReadMs)} ms`,
    `${number(row.slowReadMs)} ms`,
  ]);
  return markdownTable(head, cells, nameHeads.length);
}

export function saturationTable(nameHeads: string[], rows: readonly PurgeRow[]): string {
  const head = [
    ...nameHeads,
    "requests per second",
    "reads that reach the origin",
    "99 % of reads take",
    "no answer",
    "purges repeated",
    "worst staleness",
  ];
  const cells = rows.map((row) => [
    ...row.names,
    number(row.requestsPerSecond),
    percent(row.loadsPerMillionReads / 1e6),
    `${number(row.slowReadMs)} ms`,
    number(row.unanswered),
    number(row.purgesRepeated),
    `${number(row.worstStalenessMs)} ms`,
  ]);
  return markdownTable(head, cells, nameHeads.length);
}
