import type { Assumptions } from "./assumptions.ts";
import { billedFor, loadOf, operationsOf, type Counts } from "./model.ts";
import { times } from "./operations.ts";
import { billed, marginal, total, type Usage } from "./prices.ts";

/** What could be saved, at a load at which nothing is included any more. Pure. */
type Lever = {
  name: string;
  /** What one gives up. */
  price: string;
  saved: (requests: number, counts: Counts, given: Assumptions) => number;
};

const none = Object.fromEntries(billed.map((name) => [name, 0])) as Usage;

export const levers: readonly Lever[] = [
  {
    name: "`head_sampling_rate = 0.1` under `[observability]` in the three TOMLs",
    price: "nine of ten invocations leave no log",
    saved: (requests, counts, given) => {
      const done = operationsOf("luna", loadOf(requests, "luna", given), counts, given);
      const { logGb, logGbMonths } = billedFor(done, 0, given);
      return total(marginal({ ...none, logGb: 0.9 * logGb, logGbMonths: 0.9 * logGbMonths }));
    },
  },
  {
    name: "leave what was purged to KV's own expiry, not built",
    price: "space in KV, for an hour",
    saved: (requests, counts, given) =>
      total(
        marginal({
          ...none,
          kvDeletes: requests * given.writes * counts["write with its purge"].kvDeletes,
        }),
      ),
  },
  {
    name: "report each ten seconds, `DELAY_MS` in telemetry/client.ts",
    price: "charts and alerts are as much later",
    saved: (requests, counts, given) => {
      const { isolates } = loadOf(requests, "luna", given);
      const reports = times(0.8 * isolates * 30 * 1_440, counts["minute of reports"]);
      return total(marginal(billedFor(reports, 0, given)));
    },
  },
];
