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

/** Watched beside the tasks: the job, or the run of one, that has been due for the longest. */
export const OLDEST_JOB = "oldest-due-job";

type Texts = { name: string; ran: string; isGone: string; isBack: string };

const textsOf = (task: string): Texts =>
  task === OLDEST_JOB
    ? {
        name: "the oldest due job",
        ran: "begun",
        isGone: "no job is due any more",
        isBack: "jobs begin in time again",
      }
    : {
        name: `the task ${task}`,
        ran: "run",
        isGone: `the task ${task} is no longer registered`,
        isBack: `the task ${task} runs again`,
      };

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
      const { name, ran } = textsOf(task);
      const summary = `${name} is overdue: it should have ${ran} by ${deadline}`;
      return { key: `overdue:${task}`, holds: true, forMs: 0, summary };
    }),
    ...recovered.map(({ task }): AlertCondition => {
      const isGone = !tasks.some((one) => one.task === task);
      return {
        key: `overdue:${task}`,
        holds: false,
        forMs: 0,
        summary: "",
        resolvedReason: isGone ? textsOf(task).isGone : textsOf(task).isBack,
        isGone,
      };
    }),
  ];
}
