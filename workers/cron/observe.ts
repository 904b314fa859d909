import { isDatabaseFault, isDatabaseFull } from "../../shared/database/rules/faults.ts";
import { newTraceId, traced } from "../../shared/lib/worker/trace.ts";
import type { TaskResult } from "../../shared/schedule/task.ts";
import { counters } from "../../shared/telemetry/counters.ts";
import { reportSoon } from "../../shared/telemetry/isolate.ts";
import type { CronEnv } from "../env.ts";

/** Runs an execution in its own trace. Counts its results and its uncaught exceptions. */
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
    // D1 being down or full is expected: nothing ran, it is logged, and the watchdog alerts for
    // overdue tasks.
    if (!isDatabaseFault(error) && !isDatabaseFull(error))
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
