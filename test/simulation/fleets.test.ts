import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { BreakerRow } from "../../bench/simulate/breaker-rows.ts";
import {
  fleetRows,
  scenarioRows,
  steadyErrorRows,
  type BreakerScale,
} from "../../bench/simulate/breaker-sections.ts";
import { withParts } from "../../bench/simulate/page.ts";
import { lines } from "../../bench/simulate/plot.ts";
import { boundRows, purgeFleetRows } from "../../bench/simulate/purge-rows.ts";
import { allReports } from "../../bench/simulate/reports.ts";
import { indexLoads } from "../../bench/simulate/saturation-report.ts";
import { quickScale } from "../../bench/simulate/scale.ts";
import { seed } from "../support/seed.ts";

/** What docs/explain/simulation.md states about its tables, of small fleets and any seed. */
const scale: BreakerScale = {
  seed,
  fleets: [100],
  isolates: 100,
  outagesMs: [75_000],
  afterMs: 60_000,
};

const rowOf = (rows: readonly BreakerRow[], ...names: string[]): BreakerRow => {
  const row = rows.find((one) => names.every((name) => one.names.includes(name)));
  if (row === undefined) throw new Error(`no row ${names.join(", ")}`);
  return row;
};

it("the fleet's breaker opens early and recovers fast, with less than half of the errors", async () => {
  const rows = await fleetRows(scale);
  for (const life of ["5 calls", "forever"]) {
    const [fleet, own] = [rowOf(rows, life, "fleet-wide"), rowOf(rows, life, "per isolate")];
    expect(fleet.errors, life).toBeLessThan(own.errors / 2);
    expect(fleet.opened, life).toBe(1);
    expect(fleet.recoveryMs ?? Infinity, life).toBeLessThanOrEqual(20_000);
  }
  expect(rowOf(rows, "forever", "fleet-wide").probes).toBeLessThan(
    rowOf(rows, "forever", "per isolate").probes / 2,
  );
  expect(rowOf(rows, "5 calls", "per isolate").requestsPerMillionCalls).toBe(0);
});

it("isolates that are cut off pause, and the fleet's breaker stays closed", async () => {
  const rows = await scenarioRows(scale);
  const fleet = rowOf(rows, "unreachable for 10 % of the isolates", "fleet-wide");
  expect(fleet.opened).toBe(0);
  // Without pauses a tenth of the traffic fails.
  expect(fleet.exposedMs / fleet.outageMs).toBeLessThan(0.07);
  expect(rowOf(rows, "30 % of all calls fail", "fleet-wide").opened).toBe(0);
});

it("errors of 0.1, 1 and 5 % never open it", async () => {
  const rows = await steadyErrorRows({ ...scale, errorsForMs: 60_000 });
  const opened = rows.filter(({ names }) => names.includes("fleet-wide")).map((row) => row.opened);
  expect(opened).toEqual([0, 0, 0]);
});

it("no read is staler than the bound, with fewer index requests than reads", async () => {
  const purges = { seed, fleets: [20], isolates: 20, measuredMs: 30_000 };
  const bounds = await boundRows(purges);
  for (const { boundMs, worstStalenessMs } of bounds)
    expect(worstStalenessMs).toBeLessThanOrEqual(boundMs);
  expect(
    Math.max(...bounds.map(({ stalePerMillionReads }) => stalePerMillionReads)),
    "it looked at stale reads",
  ).toBeGreaterThan(0);
  const [view, asked] = await purgeFleetRows(purges);
  expect(view?.requestsPerMillionReads).toBeLessThan((asked?.requestsPerMillionReads ?? 0) * 0.8);
});

it("no read is staler than the bound when the index is full", async () => {
  const [row] = await indexLoads({ seed, indexFleets: [60], measuredMs: 20_000 }, 20);
  expect(row?.worstStalenessMs).toBeLessThanOrEqual(2_000);
  expect(row?.loadsPerMillionReads).toBeGreaterThan(200_000);
});

it("the seed determines the tables and plots, and the page has a place for each", async () => {
  const tiny = {
    ...quickScale,
    fleets: [10],
    isolates: 10,
    breakerFleets: [20],
    indexFleets: [20],
    measuredMs: 2_000,
    outagesMs: [10_000],
    afterMs: 20_000,
  };
  const [one, again, other] = await Promise.all(
    [1, 1, 2].map(async (of) => await allReports({ ...tiny, seed: of })),
  );
  expect(again).toEqual(one);
  expect(other).not.toEqual(one);
  const page = readFileSync("docs/explain/simulation.md", "utf8");
  for (const { parts, images } of one ?? []) {
    expect(() => withParts(page, parts)).not.toThrow();
    for (const name of Object.keys(images)) {
      expect(page).toContain(`images/simulation-${name}.svg`);
      expect(existsSync(`docs/explain/images/simulation-${name}.svg`), name).toBe(true);
    }
  }
});

it("the same lines are the same bytes", () => {
  const draw = (): string =>
    lines("title", { name: "x", scale: "log" }, { name: "y", scale: "value" }, [
      {
        name: "one",
        points: [
          [1, 2],
          [10, 3],
        ],
      },
    ]);
  expect(draw()).toBe(draw());
});

it("generated parts go between their markers, and a page without them is an error", () => {
  expect(withParts("a\n<!-- t -->\nold\n<!-- /t -->\nb", { t: "new" })).toBe(
    "a\n<!-- t -->\n\nnew\n\n<!-- /t -->\nb",
  );
  expect(() => withParts("a", { t: "new" })).toThrow("<!-- t -->");
});
