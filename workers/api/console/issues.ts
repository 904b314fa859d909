import type { BodyOf, Health } from "./api.ts";
import { countText, spanText } from "./format.ts";
import { linkTo } from "./router.ts";

/** What is wrong now, the worst first. Pure. */

type Alerts = BodyOf<"listAlerts">;
type Breakers = BodyOf<"listCircuitBreakers">;
/** `key`: that of the alert condition, if there is one. `runbook`: the name of its page. */
export type Issue = {
  key: string;
  tone: "bad" | "warn";
  text: string;
  since: string | null;
  link: string;
  press: string;
  runbook: string;
};

/**
 * Null means: not read yet.
 *
 * @param health the answer of `/health`
 * @param downSince when the database was first seen not to answer
 */
export function findIssues(
  health: Health | null,
  alerts: Alerts | null,
  breakers: Breakers | null = null,
  downSince: string | null = null,
): Issue[] {
  const seen = [
    ...(health === null ? [] : partsOf(health, downSince)),
    ...(health === null || health.status === "down" ? [] : storesOf(health.checks)),
    ...overriddenBreakers(breakers),
  ];
  const firing = new Map(alerts?.firing.map((alert) => [alert.key, alert]));
  const known = new Set(seen.map(({ key }) => key));
  const found = [
    ...seen.map((one) => ({ ...one, since: one.since ?? firing.get(one.key)?.since ?? null })),
    ...[...firing.values()]
      .filter(({ key }) => !known.has(key))
      .map(({ key, summary, since }) =>
        issue({
          key,
          tone: "bad",
          text: summary,
          link: linkTo("alerts"),
          press: "See the alert",
          since,
        }),
      ),
  ].toSorted((one, other) => rank[one.tone] - rank[other.tone]);
  // /health and the list of breakers are read at different moments: show each key once.
  return found.filter(({ key }, n) => found.findIndex((one) => one.key === key) === n);
}

const rank = { bad: 0, warn: 1 };

type Seen = Omit<Issue, "since" | "runbook"> & { since?: string | null };

function issue(seen: Seen): Issue {
  return { ...seen, since: seen.since ?? null, runbook: runbookOf(seen.key) };
}

function breakerIssue(name: string, tone: Issue["tone"], text: string): Issue {
  return issue({
    key: `breaker:${name}`,
    tone,
    text,
    link: linkTo("breakers"),
    press: "See the breaker",
  });
}

/** The checks that are known even while the database does not answer. */
function partsOf({ status, checks }: Health, downSince: string | null): Issue[] {
  const { states, unreachable } = checks.breakers;
  const namesIn = (wanted: string): string[] =>
    Object.entries(states).flatMap(([name, state]) => (state === wanted ? [name] : []));
  const isDown = {
    key: "database",
    tone: "bad",
    text: "The database does not answer.",
    link: linkTo("breakers"),
    press: "See the breaker",
    since: downSince,
  } as const;
  return [
    ...(status === "down" ? [issue(isDown)] : []),
    ...namesIn("OPEN").map((name) =>
      breakerIssue(name, "bad", `The circuit breaker of ${name} is open.`),
    ),
    ...namesIn("HALF_OPEN").map((name) =>
      breakerIssue(name, "warn", `The circuit breaker of ${name} is half-open.`),
    ),
    ...unreachable.map((name) =>
      breakerIssue(name, "warn", `The circuit breaker of ${name} does not answer.`),
    ),
    ...tasksOf(checks.tasks),
  ];
}

function tasksOf({ overdue, unreachable }: Health["checks"]["tasks"]): Issue[] {
  const watchdog = {
    key: "overdue",
    tone: "warn",
    text: "The task watchdog does not answer.",
    link: linkTo("tasks"),
    press: "See the tasks",
  } as const;
  return [
    ...overdue.map(({ task, dueBy }) =>
      issue({
        key: `overdue:${task}`,
        tone: "bad",
        text: `The task ${task} is overdue.`,
        link: linkTo("tasks"),
        press: "Run it",
        since: dueBy,
      }),
    ),
    ...(unreachable === true ? [issue(watchdog)] : []),
  ];
}

/** `/health` shows a breaker that an operator forced closed or disabled as closed. */
function overriddenBreakers(breakers: Breakers | null): Issue[] {
  return (breakers?.items ?? []).flatMap((breaker) => {
    if (!("override" in breaker) || breaker.state !== "CLOSED" || breaker.override === "none")
      return [];
    const { name, override, lastTransition } = breaker;
    return [
      {
        ...breakerIssue(
          name,
          "warn",
          `An operator overrides the circuit breaker of ${name}: ${override}. It protects nothing.`,
        ),
        press: "Lift the override",
        since: lastTransition?.at ?? null,
      },
    ];
  });
}

function storesOf({ cache, email }: Extract<Health["checks"], { email: unknown }>): Issue[] {
  const found: Issue[] = [];
  const add = (seen: Seen): void => void found.push(issue(seen));
  if (email.status === "degraded") {
    const age = spanText(email.oldestDueSeconds * 1_000);
    add({
      key: "email:due",
      tone: "bad",
      text: `${countText(email.due, "email")} due, the oldest for ${age}.`,
      link: linkTo("email"),
      press: "See the emails",
    });
  }
  if (email.unknown > 0) {
    add({
      key: "email:unknown",
      tone: "warn",
      text: `${countText(email.unknown, "email")} with an unknown outcome.`,
      link: linkTo("email", null, { status: "unknown" }),
      press: "Resolve them",
    });
  }
  if (email.dead > 0) {
    add({
      key: "email:dead",
      tone: "warn",
      text: `${countText(email.dead, "dead letter")} to replay or discard.`,
      link: linkTo("dead-letters"),
      press: "See the dead letters",
    });
  }
  if (cache.owedPurges > 0) {
    const age = spanText(cache.oldestOwedSeconds * 1_000);
    add({
      key: "purges",
      tone: "warn",
      text: `${countText(cache.owedPurges, "purge")} in the outbox, the oldest for ${age}.`,
      link: linkTo("cache"),
      press: "See the cache",
    });
  }
  return found;
}

/** The runbook by the beginning of the key; the first match wins. */
export const runbookOfKind: [kind: string, runbook: string][] = [
  ["database", "d1-down"],
  ["breaker:cache", "kv-down"],
  ["breaker:email", "provider-down"],
  ["breaker", "circuit-breaker-open"],
  ["overdue", "task-overdue"],
  ["task", "task-overdue"],
  ["execution", "task-overdue"],
  ["email:due", "queue-stuck"],
  ["email:unknown", "unknown-mails"],
  ["email:", "dead-letters-growing"],
  ["channel", "alerts-unheard"],
  ["purges", "old-data-served"],
];

function runbookOf(key: string): string {
  return runbookOfKind.find(([kind]) => key.startsWith(kind))?.[1] ?? "errors";
}
