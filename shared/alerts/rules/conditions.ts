import { MAX_DUE_AGE_MS } from "../../email/rules/retry-policy.ts";
import { counted } from "../../lib/base/pluralize.ts";
import type { Misconfigured } from "../../lib/worker/variables.ts";
import type { AlertSettings } from "../settings.ts";
import type { Finding } from "./evaluate.ts";

/** The breaker of the webhook that takes notices. */
export const WEBHOOK_BREAKER = "alerts:webhook";

/** What is wrong, from what was counted. Pure. */

const MINUTE_MS = 60_000;
/**
 * Executions do not come to the millisecond: one that comes early must not put an alert off by a
 * minute.
 */
const EARLY_MS = 10_000;
/** A breaker that opens and closes again does its work. */
const BREAKER_OPEN_MS = 5 * MINUTE_MS - EARLY_MS;

/** How the newest runs of a task ended, newest first. */
export type Streak = { task: string; statuses: ("success" | "failure")[] };

/** Counts of mails that somebody should look at. */
type MailFacts = {
  oldestDueAt: number | null;
  unknown: number;
  dead: number;
  newestDeadAt: number | null;
  expiring: number;
  /** 1 if no mail reaches whoever is to be told. */
  operatorIsSuppressed: number;
};

/** `failed`: the tasks that failed in the worst of the executions that were looked at. */
export type Facts = { streaks: Streak[]; failed: string[]; mails: MailFacts };

/** `failures`: from how many on, of one execution or of one task in a row, somebody is told. */
export function findingsOf(
  { streaks, failed, mails }: Facts,
  breakers: { name: string; state: string }[],
  { failures, wrong }: Pick<AlertSettings & { wrong: Misconfigured[] }, "failures" | "wrong">,
  now: number,
): Finding[] {
  const dueMs = mails.oldestDueAt === null ? 0 : Math.max(now - mails.oldestDueAt, 0);
  return [
    at(
      "execution",
      failed.length >= failures,
      `${counted(failed.length, "task")} failed in one execution: ${failed.join(", ")}`,
    ),
    ...streaks.map(({ task, statuses }) =>
      at(
        `task:${task}`,
        statuses.length >= failures && statuses.every((status) => status === "failure"),
        `the task ${task} failed ${failures} times running`,
      ),
    ),
    ...breakers.map(({ name, state }) =>
      at(
        `breaker:${name}`,
        state !== "CLOSED",
        `the circuit breaker ${name} is ${state}`,
        BREAKER_OPEN_MS,
      ),
    ),
    at(
      "email:due",
      dueMs > MAX_DUE_AGE_MS,
      `a mail has been due for ${Math.floor(dueMs / MINUTE_MS)} minutes`,
    ),
    at(
      "email:unknown",
      mails.unknown > 0,
      `${counted(mails.unknown, "mail")} may or may not have arrived`,
    ),
    {
      ...at("email:dead", mails.dead > 0, `${counted(mails.dead, "dead letter")} to be looked at`),
      newestAt: mails.newestDeadAt,
    },
    at(
      "settings",
      wrong.length > 0,
      wrong.map(({ variable, message }) => `${variable} ${message}`).join("; "),
    ),
    at(
      "channel:email",
      mails.operatorIsSuppressed > 0,
      "the address of ALERT_EMAIL is suppressed: no alert and no digest reaches it",
    ),
    at(
      "email:expiring",
      mails.expiring > 0,
      `${counted(mails.expiring, "dead letter")} to expire within a day`,
    ),
  ];
}

function at(key: string, holds: boolean, summary: string, forMs = 0): Finding {
  return { key, holds, forMs, summary };
}
