import type { AlertCondition } from "../../../alerts/rules/evaluate.ts";
import type { Watched } from "./rpc.ts";

/** The decisions of the watchdog. Pure. */

/** The interval of checks while a task is overdue or a recovery has not been notified. */
const RECHECK_MS = 60_000;

export function overdue(tasks: readonly Watched[], now: number): Watched[] {
  return tasks.filter(({ dueBy }) => dueBy <= now);
}

/** When to check next; null if there is nothing to watch. */
export function nextCheck(
  tasks: readonly Watched[],
  notified: readonly Watched[],
  now: number,
): number | null {
  if (overdue(tasks, now).length > 0 || notified.length > 0) return now + RECHECK_MS;
  return tasks.length === 0 ? null : Math.min(...tasks.map(({ dueBy }) => dueBy));
}

/** One condition per overdue task, and one per task that was notified as overdue and is not. */
export function overdueConditions(
  tasks: readonly Watched[],
  notified: readonly Watched[],
  now: number,
): AlertCondition[] {
  const late = overdue(tasks, now);
  const recovered = notified.filter(({ task }) => !late.some((one) => one.task === task));
  return [
    ...late.map(({ task, dueBy }): AlertCondition => {
      const deadline = new Date(dueBy).toISOString();
      const summary = `the task ${task} is overdue: it should have run by ${deadline}`;
      return { key: `overdue:${task}`, holds: true, forMs: 0, summary };
    }),
    ...recovered.map(({ task }): AlertCondition => {
      const isGone = !tasks.some((one) => one.task === task);
      return {
        key: `overdue:${task}`,
        holds: false,
        forMs: 0,
        summary: "",
        resolvedReason: isGone
          ? `the task ${task} is no longer registered`
          : `the task ${task} runs again`,
        isGone,
      };
    }),
  ];
}
