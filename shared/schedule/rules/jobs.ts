import { backoffMs, jittered } from "../../lib/base/backoff.ts";
import type { RetryRules } from "../../webhooks/rules/retry-schedule.ts";
import type { MissedSlots } from "./due.ts";
import { dueJobSlots, nextJobSlot, type JobSchedule } from "./job-schedule.ts";

/**
 * Decisions about jobs. A slot becomes a run, or is recorded as skipped or missed. A run is a
 * delivery (shared/webhooks/rules/delivery.ts) that may have to wait for an earlier run:
 *
 *     slot -> pending -> delivering -> delivered | dead      as each delivery
 *        '--> waiting -> pending                             `overlap` is "queue"
 *        '--> skipped | missed
 *
 * Pure.
 */

/** What happens to a slot while an earlier run of its job is not over. */
export const overlaps = ["skip", "allow", "queue"] as const;
export type Overlap = (typeof overlaps)[number];

/** What happens to the latest slot if it is found later than the grace. */
export const missedPolicies = ["skip", "run-once"] as const;
export type MissedPolicy = (typeof missedPolicies)[number];

/** What decides about the slots of a job. `nextAt`: its first slot that is not recorded. */
export type JobTiming = {
  schedule: JobSchedule;
  nextAt: number | null;
  missed: MissedPolicy;
  graceMs: number;
};

/** `slot`: the one to run; null if all that are due were missed. `nextAt`: null if none is left. */
export type DueJob = { slot: number | null; missed: MissedSlots | null; nextAt: number | null };

/** What is due for a job; null if nothing is. However long nothing ran, at most one slot is run. */
export function dueJob(
  { schedule, nextAt, missed, graceMs }: JobTiming,
  now: number,
): DueJob | null {
  const due = dueJobSlots(schedule, nextAt, now);
  if (due === null) return null;
  const next = nextJobSlot(schedule, due.slot);
  if (missed === "run-once" || now - due.slot <= graceMs) return { ...due, nextAt: next };
  return { slot: null, missed: withLatest(due.missed, due.slot), nextAt: next };
}

/** The slots that nothing will run if the job leaves its schedule now. */
function unrunSlots(
  { schedule, nextAt }: Pick<JobTiming, "schedule" | "nextAt">,
  now: number,
): MissedSlots | null {
  const due = dueJobSlots(schedule, nextAt, now);
  return due === null ? null : withLatest(due.missed, due.slot);
}

const withLatest = (missed: MissedSlots | null, slot: number): MissedSlots =>
  missed === null
    ? { from: slot, until: slot, count: 1 }
    : { from: missed.from, until: slot, count: missed.count + 1 };

/** What a change of a job begins with. `pausedAt`: null for a job that is not paused. */
type Timed = Pick<JobTiming, "schedule" | "nextAt"> & { fromAt: number; pausedAt: number | null };

/**
 * The slots of a job from now on, under another schedule or once it is paused or resumed. A job has
 * no slots while it is paused.
 *
 * @param next null: the schedule stays as it is. Its intervals are counted from now
 */
export function retimed(
  before: Timed,
  { next, isPaused }: { next: JobSchedule | null; isPaused: boolean },
  now: number,
): Omit<Timed, "schedule"> & { unrun: MissedSlots | null } {
  const { fromAt, nextAt, pausedAt } = before;
  if (next === null && isPaused === (pausedAt !== null))
    return { fromAt, nextAt, pausedAt, unrun: null };
  return {
    fromAt: next === null ? fromAt : now,
    nextAt: isPaused ? null : nextJobSlot(next ?? before.schedule, now),
    pausedAt: isPaused ? (pausedAt ?? now) : null,
    unrun: unrunSlots(before, now),
  };
}

/** How many runs of a job wait for an earlier one. Further slots are skipped. */
export const MAX_WAITING_RUNS = 100;

/** `isActive`: a run is due or under way. `waiting`: how many runs wait for it. */
export function startOfRun(
  overlap: Overlap,
  { isActive, waiting }: { isActive: boolean; waiting: number },
): "pending" | "waiting" | "skipped" {
  if (!isActive || overlap === "allow") return "pending";
  return overlap === "queue" && waiting < MAX_WAITING_RUNS ? "waiting" : "skipped";
}

/** `backoffMs`: the first wait; each further one is twice as long. */
export type JobRetries = { max: number; backoffMs: number };

/** The longest wait between two attempts, also if the receiver asks for more. */
const LONGEST_WAIT_MS = 3_600_000;

/**
 * An attempt whose outcome was lost with its consumer is repeated and uses up none, for an hour:
 * the call is made at least once, also of a job without retries.
 */
export function jobRetryRules({ max, backoffMs: baseMs }: JobRetries): RetryRules {
  const bounded = (askedMs: number): number => Math.min(Math.max(askedMs, 0), LONGEST_WAIT_MS);
  return {
    patienceMs: LONGEST_WAIT_MS,
    repeatsLost: true,
    leaveAloneMs: (retryAfterMs, random) => bounded(retryAfterMs) + jittered(1_000, random),
    waitMs: (attempts, random, retryAfterMs) =>
      attempts > max
        ? null
        : Math.max(
            backoffMs({ baseMs, maxMs: LONGEST_WAIT_MS }, attempts, random),
            bounded(retryAfterMs ?? 0),
          ),
  };
}
