import type { BreakerSettings } from "../../shared/lib/circuit-breaker/rules/settings.ts";
import { breakerRow, type BreakerRow, type Lengths } from "./breaker-rows.ts";
import type { BreakerKind, BreakerPlan } from "./breaker-run.ts";
import { REQUESTS_PER_SECOND } from "./object-queue.ts";
import type { Scenario } from "./scenario.ts";

/** `isolates`: the fleet of the tables that vary something else. */
export type BreakerScale = Lengths & {
  seed: number;
  fleets: readonly number[];
  isolates: number;
  /** An hour unless given. */
  errorsForMs?: number;
};

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
    { name: "forever", lifeCalls: Number.POSITIVE_INFINITY },
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

/** Other failure scenarios, also those that need no breaker for the fleet. */
export async function scenarioRows({
  seed,
  isolates,
  ...lengths
}: BreakerScale): Promise<BreakerRow[]> {
  const scenarios: { name: string; scenario: Scenario }[] = [
    { name: "calls hang", scenario: { kind: "hangs" } },
    { name: "70 % of all calls hang", scenario: { kind: "some-hang", share: 0.7 } },
    ...[0.1, 0.7].map((share) => ({
      name: `unreachable for ${100 * share} % of the isolates`,
      scenario: { kind: "unreachable-for" as const, share },
    })),
    ...[0.3, 0.4, 0.6, 0.8].map((share) => ({
      name: `${100 * share} % of all calls fail`,
      scenario: { kind: "errors" as const, share },
    })),
    ...[0.1, 0.3, 0.5].map((share) => ({
      name: `comes back with ${100 * share} % of its strength`,
      scenario: { kind: "comes-back-slowly" as const, share },
    })),
    ...[3, 10, 20].map((seconds) => ({
      name: `${seconds} s down, ${seconds} s up, in turns`,
      scenario: { kind: "flaps" as const, everyMs: seconds * 1_000 },
    })),
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

/** Outages by their length, from hiccups to ten minutes. */
export async function lengthRows({ seed, isolates, afterMs }: BreakerScale): Promise<BreakerRow[]> {
  const outages = [500, 1_000, 2_000, 3_000, 10_000, 30_000, 600_000];
  const rows: BreakerRow[] = [];
  for (const outageMs of outages) {
    for (const breaker of kinds) {
      // Ten minutes with fewer isolates, so that the page stays affordable.
      const size = outageMs > 60_000 ? Math.ceil(isolates * 0.3) : isolates;
      const plan = {
        breaker,
        isolates: size,
        callsPerSecond: CALLS_PER_SECOND,
        scenario: down,
        seed,
      };
      const lengths = { outagesMs: [outageMs], afterMs };
      rows.push(await breakerRow([`${outageMs / 1_000} s`, labels[breaker]], plan, lengths));
    }
  }
  return rows;
}

const HOUR_MS = 3_600_000;

/** An hour of a few errors, in which no breaker should open. `errorsForMs`: shorter in tests. */
export async function steadyErrorRows({
  seed,
  isolates,
  errorsForMs = HOUR_MS,
}: BreakerScale): Promise<BreakerRow[]> {
  const rows: BreakerRow[] = [];
  for (const [percent, part] of [
    [0.1, 0.5],
    [1, 0.5],
    [5, 0.05],
  ] as const) {
    const size = Math.ceil(isolates * part);
    const plan = {
      isolates: size,
      callsPerSecond: CALLS_PER_SECOND,
      scenario: { kind: "errors", share: percent / 100 },
      seed,
    } as const;
    const lengths = { outagesMs: [errorsForMs], afterMs: 10_000 };
    for (const breaker of kinds) {
      const names = [`${percent} %`, size.toLocaleString("en"), labels[breaker]];
      rows.push(await breakerRow(names, { ...plan, breaker }, lengths));
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
