import type { BodyOf, Health } from "./api.ts";
import { countText, spanText } from "./format.ts";
import { linkTo } from "./router.ts";

/** What is wrong now, the worst first: what a tired person has to read. Pure. */

type Alerts = BodyOf<"listAlerts">;
export type Trouble = { tone: "bad" | "warn"; text: string; since: string | null; link: string; press: string };

const QUEUE_SLOW_SECONDS = 300;

/**
 * @param health what `/health` says; null while nobody knows
 * @param alerts what the alerts say; null while nobody knows
 */
export function troubles(health: Health | null, alerts: Alerts | null): Trouble[] {
  const found: Trouble[] = [];
  const add = (tone: Trouble["tone"], text: string, link: string, press: string, since: string | null = null): void => {
    found.push({ tone, text, since, link, press });
  };
  if (health !== null) {
    const { breakers, tasks } = health.checks;
    if (health.status === "down") add("bad", "The database does not answer.", linkTo("breakers"), "See its breaker");
    for (const [name, state] of Object.entries(breakers.states)) {
      if (state === "CLOSED") continue;
      const text = state === "OPEN" ? `The circuit breaker of ${name} is open.` : `The circuit breaker of ${name} is being probed.`;
      add(state === "OPEN" ? "bad" : "warn", text, linkTo("breakers"), "Look at it");
    }
    for (const name of breakers.unreachable) add("warn", `The breaker of ${name} does not answer.`, linkTo("breakers"), "Look at it");
    for (const { task, dueBy } of tasks.overdue) add("bad", `The task ${task} is overdue.`, linkTo("tasks"), "Run it", dueBy);
    if (tasks.unreachable === true) add("warn", "The watchdog of the tasks does not answer.", linkTo("tasks"), "See the tasks");
    if (health.status !== "down") {
      const { cache, email } = health.checks;
      if (email.oldestDueSeconds > QUEUE_SLOW_SECONDS) {
        const text = `${countText(email.due, "mail")} could go out and wait, the oldest for ${spanText(email.oldestDueSeconds * 1_000)}.`;
        add("bad", text, linkTo("email"), "See the mails");
      }
      if (email.unknown > 0) {
        const text = `Of ${countText(email.unknown, "mail")} nobody knows whether it was sent.`;
        add("warn", text, linkTo("email", null, { status: "unknown" }), "Say what became of it");
      }
      if (email.dead > 0)
        add("warn", `${countText(email.dead, "dead letter")} waiting for somebody.`, linkTo("dead-letters"), "Look through them");
      if (cache.owedPurges > 0) {
        const text = `${countText(cache.owedPurges, "purge")} owed to the cache, the oldest for ${spanText(cache.oldestOwedSeconds * 1_000)}.`;
        add("warn", text, linkTo("cache"), "See the cache");
      }
    }
  }
  for (const { summary, since } of alerts?.firing ?? []) add("bad", summary, linkTo("alerts"), "See the alert", since);
  return found.toSorted((one, other) => rank[one.tone] - rank[other.tone]);
}

const rank = { bad: 0, warn: 1 };
