import type { Finding } from "../../../alerts/rules/evaluate.ts";
import type { Watched } from "./rpc.ts";

/** What the watchdog decides. Pure. */

/**
 * While something is overdue, or was and somebody has to hear that it no longer is, it looks again
 * after this.
 */
const LOOK_AGAIN_MS = 60_000;

export function overdue(tasks: readonly Watched[], now: number): Watched[] {
  return tasks.filter(({ dueBy }) => dueBy <= now);
}

/** When to wake up next; null if there is nothing to watch. */
export function nextLook(
  tasks: readonly Watched[],
  told: readonly Watched[],
  now: number,
): number | null {
  if (overdue(tasks, now).length > 0 || told.length > 0) return now + LOOK_AGAIN_MS;
  return tasks.length === 0 ? null : Math.min(...tasks.map(({ dueBy }) => dueBy));
}

/** One finding for each task that is overdue, and for each of which somebody was told so. */
export function overdueFindings(
  tasks: readonly Watched[],
  told: readonly Watched[],
  now: number,
): Finding[] {
  const late = overdue(tasks, now);
  const over = told.filter(({ task }) => !late.some((one) => one.task === task));
  return [
    ...late.map(({ task, dueBy }): Finding => ({
      key: `overdue:${task}`,
      holds: true,
      forMs: 0,
      summary: `the task ${task} has not run: it should have by ${new Date(dueBy).toISOString()}`,
    })),
    ...over.map(({ task }): Finding => ({
      key: `overdue:${task}`,
      holds: false,
      forMs: 0,
      summary: "",
      over: tasks.some((one) => one.task === task)
        ? `the task ${task} runs again`
        : `the task ${task} is no longer registered`,
    })),
  ];
}
