import { countedNoun, countedText } from "../../lib/base/counted.ts";
import { pluralize } from "../../lib/base/pluralize.ts";
import { deadLettersText } from "./conditions.ts";

/** The text of the daily digest. Pure. */

export type TaskDay = {
  task: string;
  successes: number;
  failures: number;
  skipped: number;
  missed: number;
};

/** Of more emails in a day the first are counted. */
export const MAX_EMAILS_OF_DAY = 10_000;

export type DayFacts = {
  tasks: TaskDay[];
  /** Emails accepted on that day, at most `MAX_EMAILS_OF_DAY`, by their present status. */
  emails: Record<string, number>;
  /** The state when the digest is sent. */
  now: { dead: number; unknown: number; due: number };
  firing: string[];
};

/**
 * `opened`: how often the breaker opened on that day; null if that is not known. `state`: null if
 * its object did not answer.
 */
export type BreakerDay =
  | { name: string; state: string; opened: number | null }
  | { name: string; state: null; opened: null };

/** @param about the product, and the day as `24 November 2026` */
export function digestText(
  { product, day }: { product: string; day: string },
  facts: DayFacts,
  breakers: BreakerDay[],
): { subject: string; text: string } {
  const issues = issuesOf(facts, breakers);
  const summary = issues.length === 0 ? "no issues" : pluralize(issues.length, "issue");
  const sections = [
    section("Issues", issues),
    section("Firing alerts", facts.firing),
    section(
      emailsTitle(facts.emails),
      Object.entries(facts.emails).map(([status, count]) => `${status}: ${count}`),
    ),
    section("Emails now", [
      `due: ${countedText(facts.now.due)}`,
      `unknown: ${countedText(facts.now.unknown)}`,
      `dead letters: ${countedText(facts.now.dead)}`,
    ]),
    section("Circuit breakers", breakers.map(breakerLine)),
    section("Scheduled tasks", facts.tasks.map(taskLine)),
  ];
  return { subject: `[${product}] ${day}: ${summary}`, text: sections.join("\n") };
}

function emailsTitle(emails: DayFacts["emails"]): string {
  const counted = Object.values(emails).reduce((total, count) => total + count, 0);
  return counted < MAX_EMAILS_OF_DAY
    ? "Emails accepted that day"
    : `The first ${MAX_EMAILS_OF_DAY.toLocaleString("en-GB")} emails accepted that day`;
}

function section(title: string, lines: string[]): string {
  const indented = (lines.length === 0 ? ["none"] : lines).map((line) => `  ${line}\n`);
  return `${title}\n${indented.join("")}`;
}

function issuesOf({ tasks, now }: DayFacts, breakers: BreakerDay[]): string[] {
  return [
    ...tasks.flatMap(({ task, failures, missed }) => [
      ...(failures > 0 ? [`the task ${task} failed ${times(failures)}`] : []),
      ...(missed > 0 ? [`the task ${task} missed ${pluralize(missed, "run")}`] : []),
    ]),
    ...breakers.flatMap(({ name, state, opened }) => {
      if (state === null) return [`the circuit breaker ${name} does not answer`];
      if (state !== "CLOSED") return [`the circuit breaker ${name} is ${state}`];
      return (opened ?? 0) > 0 ? [`the circuit breaker ${name} opened ${times(opened ?? 0)}`] : [];
    }),
    ...(now.dead > 0 ? [deadLettersText(now.dead)] : []),
    ...(now.unknown > 0
      ? [`${countedNoun(now.unknown, "email")} may or may not have arrived`]
      : []),
  ];
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

function breakerLine({ name, state, opened }: BreakerDay): string {
  if (state === null) return `${name}: does not answer`;
  if (opened === null) return `${name}: ${state}, not known how often it opened`;
  return `${name}: ${state}, ${opened === 0 ? "never opened" : `opened ${times(opened)}`}`;
}

function taskLine({ task, successes, failures, skipped, missed }: TaskDay): string {
  const counts = [`${successes} succeeded`, `${failures} failed`, `${skipped} skipped`];
  return `${task}: ${counts.join(", ")}, ${missed} missed`;
}
