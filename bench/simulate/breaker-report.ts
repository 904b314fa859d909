import { breakerTable, type BreakerRow } from "./breaker-rows.ts";
import { runBreakers, WARM_UP_MS, type BreakerKind } from "./breaker-run.ts";
import {
  CALLS_PER_SECOND,
  fleetRows,
  labels,
  lengthRows,
  rateRows,
  settingsRows,
  SHORT_LIFE_CALLS,
  scenarioRows,
  steadyErrorRows,
  type BreakerScale,
} from "./breaker-sections.ts";
import { markdownTable, number, seconds } from "./format.ts";
import { lines, type Line } from "./plot.ts";
import type { Report } from "./report.ts";

const RATES = [0.02, 0.1, 0.5, 2, 10, 50];
const TIMELINE_SECONDS = 5;
const COLORS = { errors: "#c0392b", rejected: "#2c6fbb" };

/** The fleet's breaker against one per isolate. */
export async function breakerReport(scale: BreakerScale): Promise<Report> {
  const byRate = await rateRows(scale, RATES);
  const fleetByRate = byRate.filter(({ names }) => names[1] === labels.fleet);
  return {
    parts: {
      "breaker-fleets": breakerTable(
        ["an isolate lives", "isolates", "breaker"],
        await fleetRows(scale),
        scale,
      ),
      "breaker-settings": breakerTable(
        ["opens at five failures that are", "breaker"],
        await settingsRows(scale),
        scale,
      ),
      "breaker-scenarios": breakerTable(["scenario", "breaker"], await scenarioRows(scale), scale),
      "breaker-lengths": breakerTable(["down for", "breaker"], await lengthRows(scale), scale),
      "breaker-steady-errors": steadyTable(await steadyErrorRows(scale)),
      "breaker-rates": breakerTable(["calls per second of each isolate", "breaker"], byRate, scale),
    },
    images: {
      "breaker-outage": await timeline(scale.seed),
      "breaker-object-requests": lines(
        "What a lease costs, by how often an isolate calls",
        { name: "calls per second of each isolate", scale: "log" },
        { name: "object requests per million calls", scale: "log" },
        [
          {
            name: labels.fleet,
            points: fleetByRate.map(({ rate, requestsPerMillionCalls }) => [
              rate,
              requestsPerMillionCalls,
            ]),
          },
          { name: "asked on each call", points: RATES.map((rate) => [rate, 1e6]), dashed: true },
        ],
      ),
    },
  };
}

function steadyTable(rows: readonly BreakerRow[]): string {
  const head = ["errors", "isolates", "breaker", "failed calls", "opened", "turned away"];
  const cells = rows.map(({ names, errors, opened, turnedAwayMs }) => [
    ...names,
    number(errors),
    names[2] === labels.fleet ? number(opened) : "not counted",
    seconds(turnedAwayMs),
  ]);
  return markdownTable(head, cells, 3);
}

/** What callers see of one outage of 75 s, with a fleet of isolates that live for a few calls. */
async function timeline(seed: number): Promise<string> {
  const outageMs = 75_000;
  const series: Line[] = [];
  for (const breaker of ["fleet", "isolate"] satisfies BreakerKind[]) {
    const plan = {
      breaker,
      isolates: 1_000,
      callsPerSecond: CALLS_PER_SECOND,
      lifeCalls: SHORT_LIFE_CALLS,
    } as const;
    const { seconds: bySecond } = await runBreakers({
      ...plan,
      scenario: { kind: "down" },
      outageMs,
      afterMs: 90_000,
      seed,
    });
    for (const what of ["errors", "rejected"] as const) {
      const points: [number, number][] = [];
      for (
        let second = 0;
        second + TIMELINE_SECONDS <= bySecond.length;
        second += TIMELINE_SECONDS
      ) {
        const some = bySecond.slice(second, second + TIMELINE_SECONDS);
        const sum = (name: "errors" | "rejected" | "calls"): number =>
          some.reduce((total, each) => total + each[name], 0);
        points.push([
          second + TIMELINE_SECONDS / 2 - WARM_UP_MS / 1_000,
          (100 * sum(what)) / sum("calls"),
        ]);
      }
      series.push({
        name: `${what === "errors" ? "fail" : "turned away"}, ${labels[breaker]}`,
        points,
        dashed: breaker === "isolate",
        color: COLORS[what],
      });
    }
  }
  return lines(
    "An outage from 0 s to 75 s: what becomes of 200 calls per second",
    { name: "seconds since the outage began", scale: "value" },
    { name: "% of calls", scale: "value", max: 100 },
    series,
  );
}
