import type { AnswerBody } from "./api.ts";
import type { Tone } from "./ui/bits.tsx";

/** What the pages of jobs show of a job. Pure. */

export type JobItem = AnswerBody<"listJobs">["items"][number];
export type JobRun = AnswerBody<"listJobRuns">["items"][number];

export const jobRunTones: Record<JobRun["status"], Tone> = {
  success: "good",
  failure: "bad",
  dead: "bad",
  missed: "bad",
  running: "warn",
  pending: "warn",
  waiting: "idle",
  skipped: "idle",
};

/** The schedule in one line. */
export function jobScheduleText({
  schedule,
  timeZone,
}: Pick<JobItem, "schedule" | "timeZone">): string {
  if ("cron" in schedule)
    return timeZone === "UTC" ? schedule.cron : `${schedule.cron}, ${timeZone}`;
  return "every" in schedule ? `every ${schedule.every}` : `once, ${schedule.at}`;
}

/** What a run calls. A URL may have a secret in its path or query: only its host is shown. */
export function targetText(item: JobItem): string {
  if (item.builtIn) return "built-in task";
  const { target } = item;
  if ("url" in target) return new URL(target.url).host;
  return "queue" in target ? `queue ${target.queue}` : `${target.service}.${target.method}`;
}

/** Whether the button to pause is there: not for a task that repairs or deletes. */
export const mayPause = (item: JobItem): boolean => !item.builtIn || item.mayPause;

/** The last attempt in one line; null if there was none. */
export function lastAttemptText({ log }: Pick<JobRun, "log">): string | null {
  const last = log.at(-1);
  if (last === undefined) return null;
  const status = last.status === undefined ? "" : ` ${last.status}`;
  const answer = last.answer === undefined ? "" : `: ${last.answer}`;
  return `${last.outcome}${status}${answer}`;
}
