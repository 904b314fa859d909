import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { BreakerRow } from "../../bench/simulate/breaker-rows.ts";
import {
  fleetRows,
  settingsRows,
  type BreakerScale,
} from "../../bench/simulate/breaker-sections.ts";
import { withParts } from "../../bench/simulate/page.ts";
import { lines } from "../../bench/simulate/plot.ts";
import { boundRows, purgeFleetRows } from "../../bench/simulate/purge-rows.ts";
import { allReports } from "../../bench/simulate/reports.ts";
import { indexLoads } from "../../bench/simulate/saturation-report.ts";
import { quickScale } from "../../bench/simulate/scale.ts";
import { seed } from "../support/seed.ts";

/** What docs/simulation.md says of its tables, of small fleets and any seed. */
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

it("short-lived isolates see fewer errors under the fleet's breaker than their own", async () => {
  const rows = await fleetRows(scale);
  const [fleet, own] = [
    rowOf(rows, "5 calls", "fleet-wide"),
    rowOf(rows, "5 calls", "per isolate"),
  ];
  expect(fleet.errors).toBeLessThan(own.errors);
  expect(rowOf(rows, "for ever", "fleet-wide").probes, "one probe at a time").toBeLessThanOrEqual(
    3,
  );
  expect(rowOf(rows, "for ever", "per isolate").probes).toBeGreaterThan(50);
  expect(own.requestsPerMillionCalls).toBe(0);
});

it("the fleet's breaker lets through under half the errors of the isolates' own", async () => {
  const rows = await settingsRows(scale);
  const [fleet, own] = [
    rowOf(rows, "any five in 60 s", "fleet-wide"),
    rowOf(rows, "any five in 60 s", "per isolate"),
  ];
  expect(fleet.errors).toBeLessThan(own.errors / 2);
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
  const page = readFileSync("docs/simulation.md", "utf8");
  for (const { parts, images } of one ?? []) {
    expect(() => withParts(page, parts)).not.toThrow();
    for (const name of Object.keys(images)) {
      expect(page).toContain(`images/simulation-${name}.svg`);
      expect(existsSync(`docs/images/simulation-${name}.svg`), name).toBe(true);
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
