import { isDatabaseFault } from "../../shared/database/rules/faults.ts";
import { newTraceId, traced } from "../../shared/lib/worker/trace.ts";
import type { TaskResult } from "../../shared/schedule/execution.ts";
import { counters } from "../../shared/telemetry/counters.ts";
import { reportSoon } from "../../shared/telemetry/isolate.ts";
import type { CronEnv } from "../env.ts";

/** Runs an execution as a trace of its own, and counts what it did and that it failed itself. */
export async function observed<Value>(
  env: CronEnv,
  work: () => Promise<Value>,
  resultsOf: (value: Value) => readonly TaskResult[],
) {
  try {
    const value = await traced({ traceId: newTraceId() }, work);
    for (const result of resultsOf(value)) observe(result);
    return value;
  } catch (error) {
    // That D1 does not answer is no surprise: nothing ran, the log says so, and the watchdog hears
    // of what is overdue.
    if (!isDatabaseFault(error))
      counters.count("luna_uncaught_exceptions_total", { worker: "cron" });
    throw error;
  } finally {
    reportSoon(env);
  }
}

function observe(result: TaskResult): void {
  const { task } = result;
  switch (result.status) {
    case "success":
    case "failure":
      counters.count("luna_task_runs_total", { task, outcome: result.status });
      counters.observe("luna_task_duration_seconds", { task }, result.duration);
      break;
    case "missed":
      counters.count("luna_task_missed_slots_total", { task }, result.missed.count);
      break;
    case "skipped":
      break;
  }
}
