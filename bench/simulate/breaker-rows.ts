import { runBreakers, type BreakerPlan, type BreakerRun } from "./breaker-run.ts";
import { markdownTable, mean, number, percent, seconds } from "./format.ts";

/**
 * Runs over outages of several lengths, as one: what a breaker does depends on where in its open
 * time the dependency comes back.
 */
export type BreakerRow = {
  names: string[];
  outageMs: number;
  /** Mean errors that callers saw, in seconds of the fleet's traffic: so long it was exposed. */
  exposedMs: number;
  errors: number;
  probes: number;
  /** The worst; null if one of the runs had not recovered in the end. */
  recoveryMs: number | null;
  /** Mean, in seconds of the fleet's traffic. */
  turnedAwayMs: number;
  requestsPerMillionCalls: number;
  /** Mean number of times that it opened from CLOSED. Of one per isolate it is not counted. */
  opened: number;
};

export type Lengths = { outagesMs: readonly number[]; afterMs: number };

export async function breakerRow(
  names: string[],
  plan: Omit<BreakerPlan, "outageMs" | "afterMs">,
  { outagesMs, afterMs }: Lengths,
): Promise<BreakerRow> {
  const runs: BreakerRun[] = [];
  for (const outageMs of outagesMs) runs.push(await runBreakers({ ...plan, outageMs, afterMs }));
  const callsPerMs = (plan.isolates * plan.callsPerSecond) / 1_000;
  const of = (value: (run: BreakerRun) => number): number => mean(runs.map(value));
  const recoveries = runs.map(({ recoveryMs }) => recoveryMs ?? Number.POSITIVE_INFINITY);
  const worst = Math.max(...recoveries);
  return {
    names,
    outageMs: mean(outagesMs),
    errors: of(({ errors }) => errors),
    exposedMs: of(({ errors }) => errors) / callsPerMs,
    probes: of(({ probes }) => probes),
    recoveryMs: Number.isFinite(worst) ? worst : null,
    turnedAwayMs: of(({ turnedAway }) => turnedAway) / callsPerMs,
    opened: of(({ opened }) => opened),
    requestsPerMillionCalls:
      (of(({ objectRequests }) => objectRequests) / of(({ calls }) => calls)) * 1e6,
  };
}

export function breakerTable(
  nameHeads: string[],
  rows: readonly BreakerRow[],
  { afterMs }: Pick<Lengths, "afterMs">,
): string {
  const head = [
    ...nameHeads,
    "errors",
    "of the outage",
    "probes",
    "recovered after",
    "turned away",
    "object requests per 10⁶ calls",
  ];
  const cells = rows.map((row) => [
    ...row.names,
    number(row.errors),
    percent(row.exposedMs / row.outageMs),
    number(row.probes),
    row.recoveryMs === null ? `> ${seconds(afterMs)}` : seconds(row.recoveryMs),
    seconds(row.turnedAwayMs),
    number(row.requestsPerMillionCalls),
  ]);
  return markdownTable(head, cells, nameHeads.length);
}
