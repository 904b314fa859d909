/** The thread in which `reports.ts` makes one report. */
import { parentPort, workerData } from "node:worker_threads";
import { breakerReport } from "./breaker-report.ts";
import { purgeReport } from "./purge-report.ts";
import type { Report } from "./report.ts";
import type { ReportJob, ReportName, Seeded } from "./reports.ts";
import { saturationReport } from "./saturation-report.ts";

const reports: Record<ReportName, (scale: Seeded) => Promise<Report>> = {
  breaker: breakerReport,
  purge: purgeReport,
  saturation: saturationReport,
};

const { name, scale } = workerData as ReportJob;
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
parentPort?.postMessage(await reports[name](scale));
