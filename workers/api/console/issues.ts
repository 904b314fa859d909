import type { AnswerBody, Health } from "./api.ts";
import { breakerIssues, type BreakerFacts } from "./breaker-issues.ts";
import { breakersNow, isOwnDown } from "./breaker-state.ts";
import { checkNoun, countText, spanText } from "./format.ts";
import { issue, type Issue } from "./issue.ts";
import { linkTo } from "./router.ts";
import type { Tone } from "./ui/bits.tsx";

/** What is wrong now. Pure. */

/** Null means: not read yet. */
export type IssueFacts = BreakerFacts & {
  alerts: AnswerBody<"listAlerts"> | null;
  /** When the database was first seen not to answer. */
  downSince: string | null;
  /** The requests of the last minutes, and how many of them were answered 5xx. */
  recent: RecentRequests | null;
};
export type RecentRequests = { minutes: number; requests: number; errors5xx: number };

/** What needs a person first; within that, the worst first. Each key once. */
export function findIssues(facts: IssueFacts): Issue[] {
  const { health, alerts } = facts;
  const seen = [
    ...(health === null ? [] : partsOf(health, facts.downSince)),
    ...breakerIssues(facts),
    ...(health === null || health.status === "down" ? [] : storesOf(health.checks)),
    ...errorsOf(facts),
  ];
  const firing = new Map(alerts?.firing.map((alert) => [alert.key, alert]));
  const known = new Set(seen.map(({ key }) => key));
  return [
    ...seen.map((one) => ({ ...one, since: one.since ?? firing.get(one.key)?.since ?? null })),
    ...[...firing.values()]
      .filter(({ key }) => !known.has(key))
      .map((alert) => alertIssue(alert, facts)),
  ].toSorted((one, other) => rankOf(one) - rankOf(other));
}

const rankOf = ({ needs, tone }: Issue): number =>
  (needs === "you" ? 0 : 2) + (tone === "bad" ? 0 : 1);

/** The three levels: all is well, Luna is handling it, a person is needed. */
export function headlineOf(issues: readonly Issue[]): { tone: Tone; text: string } {
  const yours = issues.filter(({ needs }) => needs === "you");
  if (yours.length > 0) {
    const text = `${countText(yours.length, "thing")} ${yours.length === 1 ? "needs" : "need"} you`;
    return { tone: yours.some(({ tone }) => tone === "bad") ? "bad" : "warn", text };
  }
  if (issues.length === 0) return { tone: "good", text: "All is well" };
  const down = issues.filter(({ tone, key }) => tone === "bad" && key.startsWith("breaker:"));
  const are = down.length === 1 ? "is" : "are";
  return {
    tone: "warn",
    text:
      down.length === 0
        ? `Luna is handling ${countText(issues.length, "thing")}`
        : `${countText(down.length, "part")} ${are} down, Luna is handling it`,
  };
}

/** An alert whose condition no longer holds ends by itself. Every other alert needs a person. */
function alertIssue(
  { key, summary, since, clearSince, flappingSince }: AnswerBody<"listAlerts">["firing"][number],
  { health, breakers }: IssueFacts,
): Issue {
  const breaker = breakersNow(health, breakers).find(({ name }) => key === `breaker:${name}`);
  const isClosed = breaker?.state === "CLOSED";
  const isOver = clearSince !== undefined || isClosed;
  const details = [
    ...(flappingSince === undefined ? [] : ["It flaps."]),
    ...(isClosed ? ["The breaker is closed now."] : isOver ? ["It no longer holds."] : []),
  ];
  return issue({
    key,
    needs: isOver && flappingSince === undefined ? "luna" : "you",
    tone: isOver ? "warn" : "bad",
    text: summary,
    detail: details.length === 0 ? null : details.join(" "),
    link: linkTo("alerts"),
    press: "See the alert",
    since,
  });
}

/** The checks that are known even while the database does not answer. */
function partsOf({ status, checks }: Health, downSince: string | null): Issue[] {
  const outage = issue({
    key: "database",
    needs: "you",
    tone: "bad",
    text: "The database does not answer.",
    link: linkTo("breakers"),
    press: "See the breaker",
    since: downSince,
  });
  return [
    ...(status === "down" ? [outage] : []),
    ...tasksOf(checks.tasks),
    ...settingsOf(checks.settings),
  ];
}

/** The alert has what is wrong with each. */
function settingsOf({ invalid }: Health["checks"]["settings"]): Issue[] {
  if (invalid.length === 0) return [];
  return [
    issue({
      key: "settings",
      needs: "you",
      tone: "warn",
      text: `Not valid, so the default applies: ${invalid.join(", ")}.`,
      link: linkTo("alerts"),
      press: "See the alert",
    }),
  ];
}

function tasksOf({ overdue, unreachable }: Health["checks"]["tasks"]): Issue[] {
  const watchdog = issue({
    key: "overdue",
    needs: "luna",
    tone: "warn",
    text: "The task watchdog does not answer.",
    link: linkTo("tasks"),
    press: "See the tasks",
  });
  return [
    ...overdue.map(({ task, dueBy }) =>
      issue({
        key: `overdue:${task}`,
        needs: "you",
        tone: "bad",
        text: `The task ${task} is overdue.`,
        link: linkTo("tasks"),
        press: "Run it",
        since: dueBy,
      }),
    ),
    ...(unreachable === true ? [watchdog] : []),
  ];
}

/** The target is below 0.1 %. A few errors of a quiet hour are no trend. */
const MAX_ERROR_SHARE = 0.001;
const MIN_ERRORS = 5;

export const tooManyErrors = (errors5xx: number, requests: number): boolean =>
  errors5xx >= MIN_ERRORS && errors5xx > requests * MAX_ERROR_SHARE;

/** While a part is down, its errors follow from it. */
function errorsOf({ recent, health, breakers }: IssueFacts): Issue[] {
  if (recent === null || !tooManyErrors(recent.errors5xx, recent.requests)) return [];
  const { requests, errors5xx, minutes } = recent;
  const follows = health?.status === "down" || breakersNow(health, breakers).some(isOwnDown);
  return [
    issue({
      key: "errors",
      needs: follows ? "luna" : "you",
      tone: "warn",
      text: [
        `${countText(errors5xx, "answer")} of ${countText(requests, "request")} were 5xx`,
        `in the last ${minutes} min.`,
      ].join(" "),
      link: linkTo("overview"),
      press: "See the requests",
    }),
  ];
}

function storesOf({ cache, email }: Extract<Health["checks"], { email: unknown }>): Issue[] {
  const dueAge = spanText(email.oldestDueSeconds * 1_000);
  const purges = checkNoun(cache, "owedPurges", "purge");
  const purgesAge = spanText(cache.oldestOwedSeconds * 1_000);
  return [
    ...(email.status === "degraded"
      ? [
          issue({
            key: "email:due",
            needs: "you",
            tone: "bad",
            text: `${checkNoun(email, "due", "email")} due, the oldest for ${dueAge}.`,
            link: linkTo("email"),
            press: "See the emails",
          }),
        ]
      : []),
    ...(email.unknown > 0
      ? [
          issue({
            key: "email:unknown",
            needs: "you",
            tone: "warn",
            text: `${checkNoun(email, "unknown", "email")} with an unknown outcome.`,
            link: linkTo("email", null, { status: "unknown" }),
            press: "Resolve them",
          }),
        ]
      : []),
    ...(email.dead > 0
      ? [
          issue({
            key: "email:dead",
            needs: "you",
            tone: "warn",
            text: `${checkNoun(email, "dead", "dead letter")} to replay or discard.`,
            link: linkTo("dead-letters"),
            press: "See the dead letters",
          }),
        ]
      : []),
    ...(cache.owedPurges > 0
      ? [
          issue({
            key: "purges",
            needs: cache.status === "ok" ? "luna" : "you",
            tone: "warn",
            text: `${purges} in the outbox, the oldest for ${purgesAge}.`,
            link: linkTo("cache"),
            press: "See the cache",
          }),
        ]
      : []),
  ];
}
