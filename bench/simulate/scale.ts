import type { BreakerScale } from "./breaker-sections.ts";
import type { PurgeScale } from "./purge-rows.ts";
import type { SaturationScale } from "./saturation-report.ts";

export type Scale = Omit<BreakerScale & PurgeScale & SaturationScale, "seed">;

export const fullScale: Scale = {
  fleets: [10, 1_000, 10_000],
  isolates: 1_000,
  outagesMs: [45_000, 105_000],
  afterMs: 120_000,
  measuredMs: 30_000,
  breakerFleets: [1_000, 4_000, 7_000, 8_000, 10_000, 14_000],
  indexFleets: [250, 500, 1_000, 1_500, 2_000, 2_500, 4_000],
};

/** Some seconds: for a look, and for the test that keeps all of it alive. */
export const quickScale: Scale = {
  fleets: [10, 100],
  isolates: 50,
  outagesMs: [45_000],
  afterMs: 90_000,
  measuredMs: 20_000,
  errorsForMs: 60_000,
  breakerFleets: [100, 500],
  indexFleets: [50, 200],
};
