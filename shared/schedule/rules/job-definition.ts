import type { JobSchedule } from "./job-schedule.ts";
import type { MissedPolicy, Overlap } from "./jobs.ts";

/** A job as its operator defines it. Pure. */

/** A whole number with a unit. */
export const durationPattern = /^([1-9]\d{0,5})([smhd])$/;

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** @param text that `durationPattern` matches */
export function durationMs(text: string): number {
  const [, amount = "0", unit = "s"] = durationPattern.exec(text) ?? [];
  return Number(amount) * unitMs[unit as keyof typeof unitMs];
}

/** What a run calls. */
export type JobTarget = { url: string } | { queue: string } | { service: string; method: string };

/** The kind of a target, as metrics name it. */
type TargetKind = "url" | "queue" | "service";

export function kindOf(target: JobTarget): TargetKind {
  if ("url" in target) return "url";
  return "queue" in target ? "queue" : "service";
}

/** `at`: milliseconds since the epoch. */
export type ScheduleText = { cron: string } | { every: string } | { at: number };

/** Everything except the name. */
export type JobDefinition = {
  schedule: ScheduleText;
  timeZone: string;
  target: JobTarget;
  /** Any JSON value; undefined for none. */
  payload?: unknown;
  timeoutMs: number;
  overlap: Overlap;
  /** `backoff`: a duration. */
  retries: { max: number; backoff: string };
  missed: MissedPolicy;
  graceMs: number;
};

/** @param from slots of `every` are counted from here */
export function scheduleOf(
  { schedule, timeZone }: Pick<JobDefinition, "schedule" | "timeZone">,
  from: number,
): JobSchedule {
  if ("cron" in schedule) return { kind: "cron", cron: schedule.cron, timeZone };
  if ("every" in schedule) return { kind: "every", everyMs: durationMs(schedule.every), from };
  return { kind: "at", at: schedule.at };
}

/** What a call carries, of each target: the same for each attempt. */
export type JobCall = {
  /** Of the run. A receiver that has it already has done the work. */
  id: string;
  job: string;
  /** The slot, or when an operator asked for the run. ISO 8601. */
  scheduledTime: string;
  payload: unknown;
};
