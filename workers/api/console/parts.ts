import { sizeText } from "../../../shared/database/rules/size.ts";
import type { AnswerBody, Health } from "./api.ts";
import { breakersNow, isDown, shownState, transportOf, type BreakerItem } from "./breaker-state.ts";
import { checkNoun, checkText, countText, numberText, spanText, waitingText } from "./format.ts";
import { linkTo } from "./router.ts";
import type { Tone } from "./ui/bits.tsx";

/**
 * The state of each part. A part is good only if its own check and the breakers that it depends on
 * are. Pure.
 */

export type HealthPart = { name: string; link: string; tone: Tone; text: string };
export type PartFacts = {
  health: Health;
  breakers: AnswerBody<"listCircuitBreakers"> | null;
  alerts: AnswerBody<"listAlerts"> | null;
  transports: AnswerBody<"listEmailTransports"> | null;
  now: number;
};

/** The share of its limit from which the size of the database is worth a look. */
const WARN_SHARE = 0.7;

type DatabaseCheck = StoreChecks["database"];
type Found = { tone: Tone; text: string };
const rank: Record<Tone, number> = { bad: 0, warn: 1, idle: 2, good: 3 };

export function partsOf(facts: PartFacts): HealthPart[] {
  const { health, breakers, alerts } = facts;
  const items = breakersNow(health, breakers);
  const { checks } = health;
  const unknown = { tone: "idle", text: "not known: the database does not answer" } as const;
  const parts: [name: string, link: string, found: Found[]][] = [
    ["Database", linkTo("breakers"), databaseOf(health, items)],
    ["Circuit breakers", linkTo("breakers"), breakersOf(items)],
    ["Scheduled tasks", linkTo("tasks"), tasksOf(checks.tasks)],
    ["Cache", linkTo("cache"), "cache" in checks ? cachePart(checks.cache, items) : [unknown]],
    ["Email", linkTo("email"), "email" in checks ? emailOf(facts, items) : [unknown]],
    [
      "Alerts",
      linkTo("alerts"),
      alerts === null ? [{ tone: "idle", text: "not known" }] : alertsOf(alerts, items),
    ],
  ];
  return parts.map(([name, link, found]) => {
    const tone = found.map((one) => one.tone).toSorted((one, other) => rank[one] - rank[other])[0];
    return { name, link, tone: tone ?? "good", text: found.map(({ text }) => text).join(", ") };
  });
}

const stateOf = (items: readonly BreakerItem[], name: string): BreakerItem | undefined =>
  items.find((item) => item.name === name && item.used);

function databaseOf({ checks }: Health, items: readonly BreakerItem[]): Found[] {
  if (checks.database.status === "down") return [{ tone: "bad", text: "does not answer" }];
  const breaker = stateOf(items, "database");
  const answers: Found =
    breaker === undefined || !isDown(breaker)
      ? { tone: "good", text: "answers" }
      : { tone: shownState(breaker).tone, text: "answers, but its breaker rejects reads" };
  return [answers, ...sizeOf(checks.database)];
}

/** Of the release before nothing is known. */
function sizeOf({ status, sizeBytes, limitBytes, fullInDays }: DatabaseCheck): Found[] {
  if (!Number.isFinite(sizeBytes)) return [];
  const text = sizeText({ bytes: sizeBytes, limitBytes, fullInDays: fullInDays ?? null });
  if (status === "degraded") return [{ tone: "bad", text: `${text}: new emails are refused` }];
  return [{ tone: sizeBytes >= WARN_SHARE * limitBytes ? "warn" : "good", text }];
}

function breakersOf(items: readonly BreakerItem[]): Found[] {
  const found = items
    .filter(({ used }) => used)
    .map((item) => ({ name: item.name, ...shownState(item) }))
    .filter(({ word }) => word !== "Closed")
    .map(({ name, tone, word }) => ({
      tone: tone === "idle" ? ("warn" as const) : tone,
      text: `${name} ${word[0]?.toLowerCase() ?? ""}${word.slice(1)}`,
    }));
  return found.length === 0 ? [{ tone: "good", text: "all closed" }] : found;
}

function tasksOf({ overdue, unreachable }: Health["checks"]["tasks"]): Found[] {
  if (unreachable === true)
    return [{ tone: "warn", text: "not known: the watchdog does not answer" }];
  return overdue.length === 0
    ? [{ tone: "good", text: "on time" }]
    : [{ tone: "bad", text: `${countText(overdue.length, "task")} overdue` }];
}

type StoreChecks = Extract<Health["checks"], { email: unknown }>;

function cachePart(cache: StoreChecks["cache"], items: readonly BreakerItem[]): Found[] {
  const kv = stateOf(items, "cache");
  const purges = `${checkNoun(cache, "owedPurges", "purge")} in the outbox`;
  return [
    ...(kv !== undefined && isDown(kv) ? [{ tone: shownState(kv).tone, text: "KV is down" }] : []),
    ...(cache.owedPurges === 0
      ? [{ tone: "good" as const, text: "purge outbox empty" }]
      : [{ tone: cache.status === "ok" ? ("warn" as const) : ("bad" as const), text: purges }]),
  ];
}

/** A count that is shown only if it is not zero. */
const count = (tone: Tone, total: string, text: string): Found[] =>
  total === "0" ? [] : [{ tone, text: `${total} ${text}` }];

function emailOf({ health, transports, now }: PartFacts, items: readonly BreakerItem[]): Found[] {
  if (health.status === "down") return [];
  const { email } = health.checks;
  const oldest =
    email.due === 0 ? "" : `, the oldest for ${spanText(email.oldestDueSeconds * 1_000)}`;
  return [
    ...transportsOf(items),
    ...limitsOf(transports),
    ...(email.atLeast?.includes("due") === true
      ? []
      : count("idle", waitingText(email), nextTryText(health, now))),
    {
      tone: email.status === "ok" ? "good" : "bad",
      text: `${checkText(email, "due")} due${oldest}`,
    },
    ...count("warn", checkText(email, "unknown"), "unknown"),
    ...count("warn", checkText(email, "dead"), "dead"),
  ];
}

function transportsOf(items: readonly BreakerItem[]): Found[] {
  const used = items.filter((item) => item.used && transportOf(item.name) !== null);
  const down = used.filter(isDown);
  const areAllDown = down.length === used.length;
  return down.map((item) => ({
    tone: areAllDown ? shownState(item).tone : "warn",
    text: `${transportOf(item.name) ?? ""} is down`,
  }));
}

function limitsOf(transports: PartFacts["transports"]): Found[] {
  const used = (transports?.items ?? []).filter((one) => one.used);
  const areAllClosed = used.every(({ closed }) => closed !== undefined);
  return used.flatMap(({ name, closed, slowedAt }): Found[] => {
    if (closed !== undefined)
      return [{ tone: areAllClosed ? "bad" : "warn", text: `${name} is closed by a limit` }];
    return slowedAt === undefined
      ? []
      : [{ tone: "idle", text: `${name} is slowed down by a limit` }];
  });
}

function nextTryText(health: Health, now: number): string {
  const next = "email" in health.checks ? health.checks.email.nextDueAt : undefined;
  if (next === undefined) return "waiting";
  return `waiting, next try in ${spanText(Math.max(Date.parse(next) - now, 1_000))}`;
}

function alertsOf(
  { firing, channels }: AnswerBody<"listAlerts">,
  items: readonly BreakerItem[],
): Found[] {
  const webhook = stateOf(items, "alerts:webhook");
  return [
    ...(channels.length === 0 ? [{ tone: "warn" as const, text: "no channel is configured" }] : []),
    ...(webhook !== undefined && isDown(webhook)
      ? [{ tone: shownState(webhook).tone, text: "the webhook is down" }]
      : []),
    firing.length === 0
      ? { tone: "good", text: "none firing" }
      : { tone: "bad", text: `${numberText(firing.length)} firing` },
  ];
}
