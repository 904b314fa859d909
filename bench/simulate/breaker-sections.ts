import type { BreakerSettings } from "../../shared/lib/circuit-breaker/rules/settings.ts";
import { breakerRow, type BreakerRow, type Lengths } from "./breaker-rows.ts";
import type { BreakerKind, BreakerPlan } from "./breaker-run.ts";
import { REQUESTS_PER_SECOND } from "./object-queue.ts";
import type { Scenario } from "./scenario.ts";

/** `isolates`: the fleet of the tables that vary something else. */
export type BreakerScale = Lengths & { seed: number; fleets: readonly number[]; isolates: number };

/** A call every five seconds. */
export const CALLS_PER_SECOND = 0.2;
export const SHORT_LIFE_CALLS = 5;

/** Fifty calls per second each are many. */
const MOST_WHEN_BUSY = 20;

export const labels: Record<BreakerKind, string> = { fleet: "fleet-wide", isolate: "per isolate" };
const kinds: readonly BreakerKind[] = ["fleet", "isolate"];
const down: Scenario = { kind: "down" };

/** Fleets by size and by how long an isolate lives, in an outage of everything. */
export async function fleetRows({ seed, fleets, ...lengths }: BreakerScale): Promise<BreakerRow[]> {
  const lives = [
    { name: `${SHORT_LIFE_CALLS} calls`, lifeCalls: SHORT_LIFE_CALLS },
    { name: "for ever", lifeCalls: Number.POSITIVE_INFINITY },
  ];
  const rows: BreakerRow[] = [];
  for (const { name, lifeCalls } of lives) {
    for (const isolates of fleets) {
      const plan = { isolates, lifeCalls, callsPerSecond: CALLS_PER_SECOND, scenario: down, seed };
      const row = async (
        label: string,
        more: Pick<BreakerPlan, "breaker" | "requestsPerSecond">,
      ): Promise<BreakerRow> =>
        await breakerRow(
          [name, isolates.toLocaleString("en"), label],
          { ...plan, ...more },
          lengths,
        );
      rows.push(
        await row(labels.fleet, { breaker: "fleet", requestsPerSecond: REQUESTS_PER_SECOND }),
      );
      // Two requests for three calls: a fleet that has more than one object takes.
      if (isolates * CALLS_PER_SECOND > REQUESTS_PER_SECOND)
        rows.push(await row(`${labels.fleet}, no limit`, { breaker: "fleet" }));
      rows.push(await row(labels.isolate, { breaker: "isolate" }));
    }
  }
  return rows;
}

/** The same outage under other settings. */
export async function settingsRows({
  seed,
  isolates,
  ...lengths
}: BreakerScale): Promise<BreakerRow[]> {
  const settings: { name: string; settings: Partial<BreakerSettings> }[] = [
    { name: "half of the calls of 60 s (default)", settings: {} },
    { name: "half of 30 s", settings: { windowMs: 30_000 } },
    { name: "half of 10 s", settings: { windowMs: 10_000 } },
    { name: "any five in 60 s", settings: { failureRatio: 0 } },
  ];
  const rows: BreakerRow[] = [];
  for (const { name, settings: changed } of settings) {
    for (const breaker of kinds) {
      const plan = {
        breaker,
        isolates,
        callsPerSecond: CALLS_PER_SECOND,
        scenario: down,
        seed,
        settings: changed,
      };
      rows.push(await breakerRow([name, labels[breaker]], plan, lengths));
    }
  }
  return rows;
}

/** Other kinds of trouble, also those for which one breaker for everybody is the wrong thing. */
export async function scenarioRows({
  seed,
  isolates,
  ...lengths
}: BreakerScale): Promise<BreakerRow[]> {
  const scenarios: { name: string; scenario: Scenario }[] = [
    { name: "calls hang", scenario: { kind: "hangs" } },
    {
      name: "unreachable for 10 % of the isolates",
      scenario: { kind: "unreachable-for", share: 0.1 },
    },
    {
      name: "unreachable for 70 % of the isolates",
      scenario: { kind: "unreachable-for", share: 0.7 },
    },
    { name: "30 % of all calls fail", scenario: { kind: "errors", share: 0.3 } },
    {
      name: "comes back with 10 % of its strength",
      scenario: { kind: "comes-back-slowly", share: 0.1 },
    },
  ];
  const rows: BreakerRow[] = [];
  for (const { name, scenario } of scenarios) {
    for (const breaker of kinds) {
      const plan = { breaker, isolates, callsPerSecond: CALLS_PER_SECOND, scenario, seed };
      rows.push(await breakerRow([name, labels[breaker]], plan, lengths));
    }
  }
  return rows;
}

/** By how often an isolate calls: what a lease costs and what it saves. */
export async function rateRows(
  scale: BreakerScale,
  rates: readonly number[],
): Promise<(BreakerRow & { rate: number })[]> {
  const isolates = Math.min(scale.isolates, MOST_WHEN_BUSY);
  const rows: (BreakerRow & { rate: number })[] = [];
  for (const rate of rates) {
    for (const breaker of kinds) {
      const plan = { breaker, isolates, callsPerSecond: rate, scenario: down, seed: scale.seed };
      rows.push({ rate, ...(await breakerRow([`${rate}`, labels[breaker]], plan, scale)) });
    }
  }
  return rows;
}
