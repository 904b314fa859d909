import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { Report } from "./report.ts";
import type { Scale } from "./scale.ts";

export type Seeded = Scale & { seed: number };

const NAMES = ["breaker", "purge", "saturation"] as const;
export type ReportName = (typeof NAMES)[number];

export type ReportJob = { name: ReportName; scale: Seeded };

/** Every report, each in its own thread: they share nothing, so their order changes nothing. */
export async function allReports(scale: Seeded): Promise<Report[]> {
  return await Promise.all(NAMES.map(async (name) => await inThread({ name, scale })));
}

async function inThread(job: ReportJob): Promise<Report> {
  return await new Promise((resolve, reject) => {
    const file = fileURLToPath(import.meta.resolve("./report-thread.ts"));
    const worker = new Worker(file, { workerData: job });
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) =>
      reject(new Error(`the thread of the report "${job.name}" ended with ${code}`)),
    );
  });
}
