import { alertPercents, sizeText, type DatabaseSize } from "../../database/rules/size.ts";
import { MAX_DUE_AGE_MS } from "../../email/rules/retry-policy.ts";
import { countedNoun } from "../../lib/base/counted.ts";
import { pluralize } from "../../lib/base/pluralize.ts";
import type { Misconfigured } from "../../lib/worker/variables.ts";
import type { AlertSettings } from "../settings.ts";
import type { AlertCondition } from "./evaluate.ts";

/** The breaker of the webhook that receives notices. */
export const WEBHOOK_BREAKER = "alerts:webhook";

/** The alert conditions, derived from counts. Pure. */

const MINUTE_MS = 60_000;
/** Evaluations are not exactly a minute apart: an early one must not delay an alert by one. */
const EARLY_MS = 10_000;
/** A breaker that opens and closes again works as intended: no alert... */
const BREAKER_OPEN_MS = 5 * MINUTE_MS - EARLY_MS;
/** ...unless it has been open for half of this. */
const BREAKER_WINDOW_MS = 10 * MINUTE_MS;

/**
 * How the newest runs of a task ended, newest first: up to `streakRuns` of them. `late`: how many
 * items the last successful one left overdue; null or absent if the task does not report that.
 */
export type Streak = {
  task: string;
  statuses: ("success" | "failure")[];
  late?: number | null;
};

/** Of these runs of a task half may fail before its alert fires. */
const SHARE_RUNS = 4;
/** Each evaluation reads so many runs of each task: a high threshold must not cost more. */
const MAX_SHARE_RUNS = 40;

/** How many of the newest runs of a task are looked at. */
export function streakRuns(failures: number): number {
  return Math.max(failures, Math.min(SHARE_RUNS * failures, MAX_SHARE_RUNS));
}

/** Counts of emails that need an operator's attention. */
type EmailFacts = {
  oldestDueAt: number | null;
  /** Since when the email that has waited longest waits for a server, a rate or a mailbox. */
  waitingSince: number | null;
  unknown: number;
  /** Tenants that have used 80 % of their emails of today; all together count as one more. */
  nearLimits: number;
  /** Since when the longest pause lasts. */
  pausedSince: number | null;
  dead: number;
  newestDeadAt: number | null;
  expiring: number;
  /** 1 if the address of `ALERT_EMAIL` is suppressed. */
  operatorIsSuppressed: number;
};

/**
 * `failed`: the tasks that failed in the worst of the recent executions. `failingJobs`: the first
 * of the jobs whose runs died as often in a row as makes an alert.
 */
export type AlertFacts = {
  streaks: Streak[];
  failed: string[];
  emails: EmailFacts;
  failingJobs?: readonly string[];
};

/** `failures`: the threshold for tasks of one execution, and for runs of one task in a row. */
export function alertConditions(
  { streaks, failed, emails, failingJobs = [] }: AlertFacts,
  breakers: { name: string; state: string }[],
  { failures, wrong }: Pick<AlertSettings & { wrong: Misconfigured[] }, "failures" | "wrong">,
  now: number,
): AlertCondition[] {
  return [
    condition(
      "execution",
      failed.length >= failures,
      `${pluralize(failed.length, "task")} failed in one execution: ${failed.join(", ")}`,
    ),
    condition(
      "jobs:failing",
      failingJobs.length > 0,
      `jobs whose last ${failures} runs died: ${failingJobs.join(", ")}`,
    ),
    ...streaks.map((streak) => taskCondition(streak, failures)),
    ...streaks.flatMap(lateCondition),
    ...breakers.map(({ name, state }) => ({
      ...condition(
        `breaker:${name}`,
        state !== "CLOSED",
        `the circuit breaker ${name} is ${state}`,
      ),
      forMs: BREAKER_OPEN_MS,
      windowMs: BREAKER_WINDOW_MS,
    })),
    ...emailConditions(emails, now),
    condition(
      "settings",
      wrong.length > 0,
      wrong.map(({ variable, message }) => `${variable} ${message}`).join("; "),
    ),
  ];
}

/**
 * A task that fails `failures` times in a row, or in half of its newest runs until as many
 * succeed in a row. Without the second part a task that succeeds each third time makes no alert.
 */
function taskCondition({ task, statuses }: Streak, failures: number): AlertCondition {
  const runs = statuses.length;
  const failed = statuses.filter((status) => status === "failure").length;
  const success = statuses.indexOf("success");
  const inARow = success < 0 ? runs : success;
  const succeeds = statuses.slice(0, failures).every((status) => status === "success");
  const isHalf = failed >= Math.max(failures, streakRuns(failures) / 2) && !succeeds;
  return condition(
    `task:${task}`,
    inARow >= failures || isHalf,
    inARow >= failures && inARow < Math.max(runs, failures + 1)
      ? `the task ${task} failed ${inARow} times in a row`
      : `the task ${task} failed in ${failed} of its last ${runs} runs`,
  );
}

/** A database that grows fires at each of the shares that it reaches. */
export function sizeConditions(size: DatabaseSize): AlertCondition[] {
  return alertPercents.map((percent) =>
    condition(
      `storage:${percent}`,
      100 * size.bytes >= percent * size.limitBytes,
      `the database is at ${sizeText(size)}` +
        (percent === 95 ? ": it refuses new emails and sign-ups" : ""),
    ),
  );
}

/** Breakers that are not listed make no alert themselves. */
export function refusedBreakersCondition(refused: number): AlertCondition {
  const are = refused === 1 ? "is" : "are";
  return condition(
    "breakers:refused",
    refused > 0,
    `${pluralize(refused, "circuit breaker")} of other Workers ${are} not listed`,
  );
}

/** None for a task that does not report what it could not do. */
function lateCondition({ task, late = null }: Streak): AlertCondition[] {
  if (late === null) return [];
  const are = late === 1 ? "is" : "are";
  const summary = `the task ${task} is behind: ${pluralize(late, "item")} ${are} overdue`;
  return [condition(`late:${task}`, late > 0, summary)];
}

const MAX_WAITING_MS = 30 * MINUTE_MS;
const HOUR_MS = 60 * MINUTE_MS;
/** A pause that is forgotten. */
const MAX_PAUSE_MS = 24 * HOUR_MS;

function emailConditions(emails: EmailFacts, now: number): AlertCondition[] {
  const sinceMs = (at: number | null): number => (at === null ? 0 : Math.max(now - at, 0));
  const [dueMs, waitingMs] = [sinceMs(emails.oldestDueAt), sinceMs(emails.waitingSince)];
  return [
    condition(
      "email:due",
      dueMs > MAX_DUE_AGE_MS,
      `an email has been due for ${Math.floor(dueMs / MINUTE_MS)} minutes`,
    ),
    condition(
      "email:waiting",
      waitingMs > MAX_WAITING_MS,
      `an email has waited for a server for ${Math.floor(waitingMs / MINUTE_MS)} minutes`,
    ),
    condition(
      "email:unknown",
      emails.unknown > 0,
      `${countedNoun(emails.unknown, "email")} may or may not have arrived`,
    ),
    {
      ...condition("email:dead", emails.dead > 0, deadLettersText(emails.dead)),
      newestAt: emails.newestDeadAt,
    },
    condition(
      "channel:email",
      emails.operatorIsSuppressed > 0,
      "the address of ALERT_EMAIL is suppressed: no alert and no digest reaches it",
    ),
    condition(
      "email:paused",
      sinceMs(emails.pausedSince) > MAX_PAUSE_MS,
      `emails have been paused for ${Math.floor(sinceMs(emails.pausedSince) / HOUR_MS)} hours`,
    ),
    condition(
      "email:daily-limit",
      emails.nearLimits > 0,
      `${countedNoun(emails.nearLimits, "daily limit")} of emails used up by 80 % or more`,
    ),
    condition(
      "email:expiring",
      emails.expiring > 0,
      `${countedNoun(emails.expiring, "dead letter")} will be deleted within a day`,
    ),
  ];
}

/** Also a line of the digest. */
export function deadLettersText(count: number): string {
  return `${countedNoun(count, "dead letter")} to replay or discard`;
}

function condition(key: string, holds: boolean, summary: string): AlertCondition {
  return { key, holds, forMs: 0, summary };
}
