import { MAX_DUE_AGE_MS } from "../../email/rules/retry-policy.ts";
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
/** A breaker that opens and closes again works as intended: no alert. */
const BREAKER_OPEN_MS = 5 * MINUTE_MS - EARLY_MS;

/** How the newest runs of a task ended, newest first. */
export type Streak = { task: string; statuses: ("success" | "failure")[] };

/** Counts of emails that need an operator's attention. */
type EmailFacts = {
  oldestDueAt: number | null;
  unknown: number;
  dead: number;
  newestDeadAt: number | null;
  expiring: number;
  /** 1 if the address of `ALERT_EMAIL` is suppressed. */
  operatorIsSuppressed: number;
};

/** `failed`: the tasks that failed in the worst of the recent executions. */
export type AlertFacts = { streaks: Streak[]; failed: string[]; emails: EmailFacts };

/** `failures`: the threshold for tasks of one execution, and for runs of one task in a row. */
export function alertConditions(
  { streaks, failed, emails }: AlertFacts,
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
    ...streaks.map(({ task, statuses }) =>
      condition(
        `task:${task}`,
        statuses.length >= failures && statuses.every((status) => status === "failure"),
        `the task ${task} failed ${failures} times in a row`,
      ),
    ),
    ...breakers.map(({ name, state }) =>
      condition(
        `breaker:${name}`,
        state !== "CLOSED",
        `the circuit breaker ${name} is ${state}`,
        BREAKER_OPEN_MS,
      ),
    ),
    ...emailConditions(emails, now),
    condition(
      "settings",
      wrong.length > 0,
      wrong.map(({ variable, message }) => `${variable} ${message}`).join("; "),
    ),
  ];
}

function emailConditions(emails: EmailFacts, now: number): AlertCondition[] {
  const dueMs = emails.oldestDueAt === null ? 0 : Math.max(now - emails.oldestDueAt, 0);
  return [
    condition(
      "email:due",
      dueMs > MAX_DUE_AGE_MS,
      `an email has been due for ${Math.floor(dueMs / MINUTE_MS)} minutes`,
    ),
    condition(
      "email:unknown",
      emails.unknown > 0,
      `${pluralize(emails.unknown, "email")} may or may not have arrived`,
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
      "email:expiring",
      emails.expiring > 0,
      `${pluralize(emails.expiring, "dead letter")} will be deleted within a day`,
    ),
  ];
}

/** Also a line of the digest. */
export function deadLettersText(count: number): string {
  return `${pluralize(count, "dead letter")} to replay or discard`;
}

function condition(key: string, holds: boolean, summary: string, forMs = 0): AlertCondition {
  return { key, holds, forMs, summary };
}
