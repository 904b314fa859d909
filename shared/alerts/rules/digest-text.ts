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

export type DayFacts = {
  tasks: TaskDay[];
  /** Emails accepted on that day, counted by their present status. */
  emails: Record<string, number>;
  /** The state when the digest is sent. */
  now: { dead: number; unknown: number; due: number };
  firing: string[];
};

/** `opened`: how often the breaker opened on that day. Nulls: its object did not answer. */
export type BreakerDay =
  | { name: string; state: string; opened: number }
  | { name: string; state: null; opened: null };

/** @param day as `24 November 2026` */
export function digestText(
  day: string,
  facts: DayFacts,
  breakers: BreakerDay[],
): { subject: string; text: string } {
  const issues = issuesOf(facts, breakers);
  const summary = issues.length === 0 ? "no issues" : pluralize(issues.length, "issue");
  const sections = [
    section("Issues", issues),
    section("Firing alerts", facts.firing),
    section(
      "Emails accepted that day",
      Object.entries(facts.emails).map(([status, count]) => `${status}: ${count}`),
    ),
    section("Emails now", [
      `due: ${facts.now.due}`,
      `unknown: ${facts.now.unknown}`,
      `dead letters: ${facts.now.dead}`,
    ]),
    section("Circuit breakers", breakers.map(breakerLine)),
    section("Scheduled tasks", facts.tasks.map(taskLine)),
  ];
  return { subject: `[Luna] ${day}: ${summary}`, text: sections.join("\n") };
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
      return opened > 0 ? [`the circuit breaker ${name} opened ${times(opened)}`] : [];
    }),
    ...(now.dead > 0 ? [deadLettersText(now.dead)] : []),
    ...(now.unknown > 0 ? [`${pluralize(now.unknown, "email")} may or may not have arrived`] : []),
  ];
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

function breakerLine({ name, state, opened }: BreakerDay): string {
  if (state === null) return `${name}: does not answer`;
  return `${name}: ${state}, ${opened === 0 ? "never opened" : `opened ${times(opened)}`}`;
}

function taskLine({ task, successes, failures, skipped, missed }: TaskDay): string {
  const counts = [`${successes} succeeded`, `${failures} failed`, `${skipped} skipped`];
  return `${task}: ${counts.join(", ")}, ${missed} missed`;
}
