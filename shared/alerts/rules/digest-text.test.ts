import { expect, it } from "vitest";
import { digestText, type DayFacts } from "./digest-text.ts";

const quiet: DayFacts = {
  tasks: [{ task: "backup", successes: 24, failures: 0, skipped: 1, missed: 0 }],
  mails: { sent: 40, delivered: 2 },
  now: { dead: 0, unknown: 0, due: 1 },
  firing: [],
};

it("a day on which all is well says so first, and then how it was", () => {
  const { subject, text } = digestText("24 November 2026", quiet, [
    { name: "cache", state: "CLOSED", opened: 0 },
  ]);
  expect(subject).toBe("[Luna] 24 November 2026: all is well");
  expect(text).toBe(`To look at
  none

Alerts that are firing
  none

Mails accepted that day
  sent: 40
  delivered: 2

Mails now
  due: 1
  unknown: 0
  dead letters: 0

Circuit breakers
  cache: CLOSED, opened never

Scheduled tasks
  backup: 24 succeeded, 0 failed, 1 skipped, 0 missed
`);
});

it("names whatever somebody should look at", () => {
  const { subject, text } = digestText(
    "24 November 2026",
    {
      ...quiet,
      tasks: [{ task: "backup", successes: 0, failures: 1, skipped: 0, missed: 3 }],
      now: { dead: 2, unknown: 1, due: 0 },
      firing: ["it burns"],
    },
    [
      { name: "cache", state: "OPEN", opened: 2 },
      { name: "database", state: "CLOSED", opened: 1 },
      { name: "email:smtp", state: null, opened: null },
    ],
  );
  expect(subject).toBe("[Luna] 24 November 2026: 7 things to look at");
  expect(text).toContain(`To look at
  the task backup failed once
  the task backup was missed 3 times
  the circuit breaker cache is OPEN
  the circuit breaker database opened once
  the circuit breaker email:smtp does not answer
  2 dead letters to be looked at
  1 mail may or may not have arrived
`);
  expect(text).toContain("Alerts that are firing\n  it burns\n");
});
