import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { breakerReport } from "./breaker-report.ts";
import { purgeReport } from "./purge-report.ts";
import type { Report } from "./report.ts";
import { saturationReport } from "./saturation-report.ts";
import type { Scale } from "./scale.ts";

type Seeded = Scale & { seed: number };

const reports: Record<string, (scale: Seeded) => Promise<Report>> = {
  breaker: breakerReport,
  purge: purgeReport,
  saturation: saturationReport,
};

/**
 * Every report, each in a thread of its own: they share nothing, so that how they take turns
 * changes nothing.
 */
export async function allReports(scale: Seeded): Promise<Report[]> {
  return await Promise.all(Object.keys(reports).map(async (name) => await inThread(name, scale)));
}

async function inThread(name: string, scale: Seeded): Promise<Report> {
  return await new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { name, scale } });
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`the thread of ${name} ended with ${code}`)));
  });
}

if (!isMainThread && parentPort !== null) {
  const { name, scale } = workerData as { name: string; scale: Seeded };
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort.postMessage(await reports[name]?.(scale));
}
