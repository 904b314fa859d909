import { counted } from "../../lib/base/pluralize.ts";

/** The digest in words. Pure. */

export type TaskDay = {
  task: string;
  successes: number;
  failures: number;
  skipped: number;
  missed: number;
};

export type DayFacts = {
  tasks: TaskDay[];
  /** Mails that were accepted in that time, by what has become of them. */
  mails: Record<string, number>;
  /** As things stand now. */
  now: { dead: number; unknown: number; due: number };
  firing: string[];
};

/** `opened`: how often a breaker opened in that time; null if its object did not answer. */
export type BreakerDay =
  | { name: string; state: string; opened: number }
  | { name: string; state: null; opened: null };

/** @param day as `24 November 2026` */
export function digestText(
  day: string,
  facts: DayFacts,
  breakers: BreakerDay[],
): { subject: string; text: string } {
  const concerns = concernsOf(facts, breakers);
  const verdict =
    concerns.length === 0 ? "all is well" : `${counted(concerns.length, "thing")} to look at`;
  const sections = [
    section("To look at", concerns),
    section("Alerts that are firing", facts.firing),
    section(
      "Mails accepted that day",
      Object.entries(facts.mails).map(([status, count]) => `${status}: ${count}`),
    ),
    section("Mails now", [
      `due: ${facts.now.due}`,
      `unknown: ${facts.now.unknown}`,
      `dead letters: ${facts.now.dead}`,
    ]),
    section("Circuit breakers", breakers.map(breakerLine)),
    section("Scheduled tasks", facts.tasks.map(taskLine)),
  ];
  return { subject: `[Luna] ${day}: ${verdict}`, text: sections.join("\n") };
}

function section(title: string, lines: string[]): string {
  return `${title}\n${(lines.length === 0 ? ["none"] : lines).map((line) => `  ${line}\n`).join("")}`;
}

function concernsOf({ tasks, now }: DayFacts, breakers: BreakerDay[]): string[] {
  return [
    ...tasks.flatMap(({ task, failures, missed }) => [
      ...(failures > 0 ? [`the task ${task} failed ${times(failures)}`] : []),
      ...(missed > 0 ? [`the task ${task} was missed ${times(missed)}`] : []),
    ]),
    ...breakers.flatMap(({ name, state, opened }) => {
      if (state === null) return [`the circuit breaker ${name} does not answer`];
      if (state !== "CLOSED") return [`the circuit breaker ${name} is ${state}`];
      return opened > 0 ? [`the circuit breaker ${name} opened ${times(opened)}`] : [];
    }),
    ...(now.dead > 0 ? [`${counted(now.dead, "dead letter")} to be looked at`] : []),
    ...(now.unknown > 0 ? [`${counted(now.unknown, "mail")} may or may not have arrived`] : []),
  ];
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

function breakerLine({ name, state, opened }: BreakerDay): string {
  return state === null
    ? `${name}: does not answer`
    : `${name}: ${state}, opened ${opened === 0 ? "never" : times(opened)}`;
}

function taskLine({ task, successes, failures, skipped, missed }: TaskDay): string {
  return `${task}: ${successes} succeeded, ${failures} failed, ${skipped} skipped, ${missed} missed`;
}
