import type { BodyOf, Health } from "./api.ts";
import { countText, spanText } from "./format.ts";
import { linkTo } from "./router.ts";

/** What is wrong now, the worst first: what a tired person has to read. Pure. */

type Alerts = BodyOf<"listAlerts">;
type Breakers = BodyOf<"listCircuitBreakers">;
/** `key`: as an alert about the same thing has it. `runbook`: the name of its page. */
export type Trouble = {
  key: string;
  tone: "bad" | "warn";
  text: string;
  since: string | null;
  link: string;
  press: string;
  runbook: string;
};

/**
 * @param health what `/health` says; null while nobody knows
 * @param alerts what the alerts say; null while nobody knows
 * @param breakers as their objects have them; null while nobody knows
 * @param downSince since when the database is seen not to answer
 */
export function troubles(
  health: Health | null,
  alerts: Alerts | null,
  breakers: Breakers | null = null,
  downSince: string | null = null,
): Trouble[] {
  const seen = [
    ...(health === null ? [] : partsOf(health, downSince)),
    ...(health === null || health.status === "down" ? [] : storesOf(health.checks)),
    ...heldBy(breakers),
  ];
  const firing = new Map(alerts?.firing.map((alert) => [alert.key, alert]));
  const known = new Set(seen.map(({ key }) => key));
  const found = [
    ...seen.map((one) => ({ ...one, since: one.since ?? firing.get(one.key)?.since ?? null })),
    ...[...firing.values()]
      .filter(({ key }) => !known.has(key))
      .map(({ key, summary, since }) =>
        trouble(key, "bad", summary, linkTo("alerts"), "See the alert", since),
      ),
  ].toSorted((one, other) => rank[one.tone] - rank[other.tone]);
  // One thing is said once: /health and the list of the breakers are not read at the same moment.
  return found.filter(({ key }, n) => found.findIndex((one) => one.key === key) === n);
}

const rank = { bad: 0, warn: 1 };

function trouble(
  key: string,
  tone: Trouble["tone"],
  text: string,
  link: string,
  press: string,
  since: string | null = null,
): Trouble {
  return { key, tone, text, since, link, press, runbook: runbookOf(key) };
}

/** What is known also while the database does not answer. */
function partsOf(
  { status, checks: { breakers, tasks } }: Health,
  downSince: string | null,
): Trouble[] {
  const states = Object.entries(breakers.states);
  const open = states.filter(([, state]) => state === "OPEN");
  const probed = states.filter(([, state]) => state === "HALF_OPEN");
  return [
    ...(status === "down"
      ? [
          trouble(
            "database",
            "bad",
            "The database does not answer.",
            linkTo("breakers"),
            "See its breaker",
            downSince,
          ),
        ]
      : []),
    ...open.map(([name]) =>
      trouble(
        `breaker:${name}`,
        "bad",
        `The circuit breaker of ${name} is open.`,
        linkTo("breakers"),
        "Look at it",
      ),
    ),
    ...probed.map(([name]) =>
      trouble(
        `breaker:${name}`,
        "warn",
        `The circuit breaker of ${name} is being probed.`,
        linkTo("breakers"),
        "Look at it",
      ),
    ),
    ...breakers.unreachable.map((name) =>
      trouble(
        `breaker:${name}`,
        "warn",
        `The breaker of ${name} does not answer.`,
        linkTo("breakers"),
        "Look at it",
      ),
    ),
    ...tasks.overdue.map(({ task, dueBy }) =>
      trouble(
        `overdue:${task}`,
        "bad",
        `The task ${task} is overdue.`,
        linkTo("tasks"),
        "Run it",
        dueBy,
      ),
    ),
    ...(tasks.unreachable === true
      ? [
          trouble(
            "overdue",
            "warn",
            "The watchdog of the tasks does not answer.",
            linkTo("tasks"),
            "See the tasks",
          ),
        ]
      : []),
  ];
}

/** A breaker that lets everything through looks closed, and protects nothing. */
function heldBy(breakers: Breakers | null): Trouble[] {
  return (breakers?.items ?? []).flatMap((breaker) => {
    if (!("override" in breaker) || breaker.state !== "CLOSED" || breaker.override === "none")
      return [];
    const text = `An operator holds the circuit breaker of ${breaker.name}: ${breaker.override}. It protects nothing.`;
    return [
      trouble(
        `breaker:${breaker.name}`,
        "warn",
        text,
        linkTo("breakers"),
        "Lift it",
        breaker.lastTransition?.at ?? null,
      ),
    ];
  });
}

function storesOf({ cache, email }: Extract<Health["checks"], { email: unknown }>): Trouble[] {
  const found: Trouble[] = [];
  if (email.status === "degraded") {
    const text = `${countText(email.due, "mail")} could go out and wait, the oldest for ${spanText(email.oldestDueSeconds * 1_000)}.`;
    found.push(trouble("email:due", "bad", text, linkTo("email"), "See the mails"));
  }
  if (email.unknown > 0) {
    const text = `Of ${countText(email.unknown, "mail")} nobody knows whether it was sent.`;
    found.push(
      trouble(
        "email:unknown",
        "warn",
        text,
        linkTo("email", null, { status: "unknown" }),
        "Say what became of it",
      ),
    );
  }
  if (email.dead > 0) {
    const text = `${countText(email.dead, "dead letter")} waiting for somebody.`;
    found.push(trouble("email:dead", "warn", text, linkTo("dead-letters"), "Look through them"));
  }
  if (cache.owedPurges > 0) {
    const text = `${countText(cache.owedPurges, "purge")} owed to the cache, the oldest for ${spanText(cache.oldestOwedSeconds * 1_000)}.`;
    found.push(trouble("purges", "warn", text, linkTo("cache"), "See the cache"));
  }
  return found;
}

/** The page of each kind of trouble: the first that its key begins with. */
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
