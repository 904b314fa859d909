import { lines } from "./plot.ts";
import {
  boundRows,
  purgeFleetRows,
  purgeTable,
  readRateRows,
  type PurgeScale,
} from "./purge-rows.ts";
import type { Report } from "./report.ts";

const RATES = [0.05, 0.2, 1, 5, 20, 100];

const inSeconds = (ms: number): number => ms / 1_000;

/** What a purge promises, and what it costs to keep. */
export async function purgeReport(scale: PurgeScale): Promise<Report> {
  const byBound = await boundRows(scale);
  const byRate = await readRateRows(scale, RATES);
  return {
    parts: {
      "purge-fleets": purgeTable(["isolates", "index"], await purgeFleetRows(scale)),
      "purge-bounds": purgeTable(["bound", "index"], byBound),
      "purge-rates": purgeTable(["reads per second of each isolate", "index"], byRate),
    },
    images: {
      "purge-staleness": lines(
        "The stalest read, against what is promised",
        { name: "bound, seconds", scale: "value" },
        { name: "seconds after the purge returned", scale: "value" },
        [
          {
            name: "worst observed",
            points: byBound.map((row) => [inSeconds(row.boundMs), inSeconds(row.worstStalenessMs)]),
          },
          {
            name: "the bound",
            points: byBound.map(({ boundMs }) => [inSeconds(boundMs), inSeconds(boundMs)]),
            dashed: true,
          },
        ],
      ),
      "purge-object-requests": lines(
        "What a synced view costs, by how often an isolate reads",
        { name: "reads per second of each isolate", scale: "log" },
        { name: "object requests per million reads", scale: "log" },
        [
          {
            name: "synced view",
            points: byRate.map((row, n) => [RATES[n] ?? 0, row.requestsPerMillionReads]),
          },
          { name: "asked on every read", points: RATES.map((rate) => [rate, 1e6]), dashed: true },
        ],
      ),
    },
  };
}
