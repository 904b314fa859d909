import * as v from "valibot";
import { pageOf } from "../http/lists.ts";
import { time } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { count, operation } from "./operation.ts";

const tag = "operations";
const duration = v.pipe(v.number(), v.description("Milliseconds."));
const taskError = named("TaskError", { message: v.string(), stack: v.optional(v.string()) });
const failedAttempts = v.pipe(
  v.array(named("FailedAttempt", { startedAt: time, duration, error: taskError })),
  v.description("Attempts that failed for a passing reason, each followed by another."),
);
const missed = named("MissedSlots", { from: time, until: time, count });

const run = named("TaskRun", {
  runId: v.string(),
  executionId: v.string(),
  task: v.string(),
  trigger: v.picklist(["cron", "operator", "retry"]),
  attempt: count,
  status: v.picklist(["running", "success", "failure", "skipped", "missed"]),
  scheduledTime: time,
  startedAt: time,
  duration: v.optional(duration),
  result: v.optional(v.unknown()),
  error: v.optional(taskError),
  failedAttempts: v.optional(failedAttempts),
  missed: v.optional(missed),
});

const ended = v.union([
  v.strictObject({
    task: v.string(),
    runId: v.string(),
    status: v.literal("success"),
    duration,
    failedAttempts: v.optional(failedAttempts),
    result: v.unknown(),
  }),
  v.strictObject({
    task: v.string(),
    runId: v.string(),
    status: v.literal("failure"),
    duration,
    failedAttempts: v.optional(failedAttempts),
    error: taskError,
  }),
]);

export const listScheduledTasks = operation({
  id: "listScheduledTasks",
  method: "GET",
  path: "/api/admin/scheduled-tasks",
  access: "viewer",
  tag,
  summary: "Every task: when it runs next, and how its last run ended.",
  answers: {
    200: v.strictObject({
      items: v.array(
        v.strictObject({
          name: v.string(),
          cron: v.string(),
          timeoutMs: count,
          graceMs: count,
          overlap: v.picklist(["skip", "allow"]),
          nextAt: time,
          lastRun: v.optional(run),
        }),
      ),
    }),
  },
  problems: ["unavailable"],
});

export const scheduledTaskHistory = operation({
  id: "scheduledTaskHistory",
  method: "GET",
  path: "/api/admin/scheduled-tasks/history",
  access: "viewer",
  tag,
  summary:
    "Executions, newest first. total, successful and failed count the stored executions; " +
    "an execution has failed if any of its runs has.",
  query: v.strictObject(pageOf.entries),
  answers: {
    200: v.strictObject({
      total: count,
      successful: count,
      failed: count,
      recentExecutions: v.array(
        v.strictObject({
          executionId: v.string(),
          trigger: v.picklist(["cron", "operator", "retry"]),
          scheduledTime: v.optional(time),
          startedAt: time,
          duration: v.optional(duration),
          total: count,
          successful: count,
          failed: count,
          results: v.array(run),
        }),
      ),
      nextCursor: v.optional(v.string()),
    }),
  },
  problems: ["unavailable"],
});

export const retryRun = operation({
  id: "retryRun",
  method: "POST",
  path: "/api/admin/scheduled-tasks/history/:runId/retry",
  access: "admin",
  tag,
  summary: "Run the task of a failed run again.",
  answers: { 200: ended },
  problems: ["not-found", "wrong-state", "unavailable"],
});

export const runTask = operation({
  id: "runTask",
  method: "POST",
  path: "/api/admin/scheduled-tasks/:name/run",
  access: "admin",
  tag,
  summary: "Run a task now, regardless of its schedule.",
  answers: { 200: ended },
  problems: ["not-found", "wrong-state", "unavailable"],
});

export const tick = operation({
  id: "tick",
  method: "POST",
  path: "/api/admin/scheduled-tasks/tick",
  access: "admin",
  tag,
  summary:
    "Do what the platform's cron trigger does each minute, where there is no trigger or it fails.",
  answers: {
    200: v.strictObject({
      executionId: v.string(),
      startedAt: time,
      total: count,
      successful: count,
      failed: count,
      duration,
      results: v.array(
        v.union([
          ...ended.options,
          v.strictObject({ task: v.string(), status: v.literal("missed"), missed }),
          v.strictObject({ task: v.string(), status: v.literal("skipped") }),
        ]),
      ),
    }),
  },
  problems: ["unavailable"],
});
