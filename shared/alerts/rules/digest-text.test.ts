import { expect, it } from "vitest";
import { digestText, type DayFacts } from "./digest-text.ts";

const quiet: DayFacts = {
  tasks: [{ task: "backup", successes: 24, failures: 0, skipped: 1, missed: 0 }],
  emails: { sent: 40, delivered: 2 },
  now: { dead: 0, unknown: 0, due: 1 },
  firing: [],
};

it("the digest of a day without issues has counts and states", () => {
  const { subject, text } = digestText({ product: "Acme", day: "24 November 2026" }, quiet, [
    { name: "cache", state: "CLOSED", opened: 0 },
  ]);
  expect(subject).toBe("[Acme] 24 November 2026: no issues");
  expect(text).toBe(`Issues
  none

Firing alerts
  none

Emails accepted that day
  sent: 40
  delivered: 2

Emails now
  due: 1
  unknown: 0
  dead letters: 0

Circuit breakers
  cache: CLOSED, never opened

Scheduled tasks
  backup: 24 succeeded, 0 failed, 1 skipped, 0 missed
`);
});

it("the digest names every issue", () => {
  const { subject, text } = digestText(
    { product: "Acme", day: "24 November 2026" },
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
  expect(subject).toBe("[Acme] 24 November 2026: 7 issues");
  expect(text).toContain(`Issues
  the task backup failed once
  the task backup missed 3 runs
  the circuit breaker cache is OPEN
  the circuit breaker database opened once
  the circuit breaker email:smtp does not answer
  2 dead letters to replay or discard
  1 email may or may not have arrived
`);
  expect(text).toContain("Firing alerts\n  it burns\n");
});

it("the digest of a busy day shows that counts have stopped", () => {
  const { text } = digestText(
    { product: "Acme", day: "24 November 2026" },
    {
      ...quiet,
      emails: { delivered: 9_990, sent: 10 },
      now: { dead: 1_001, unknown: 1_000, due: 1_001 },
    },
    [],
  );
  expect(text).toContain("1,000+ dead letters to replay or discard\n");
  expect(text).toContain("The first 10,000 emails accepted that day\n  delivered: 9990\n");
  expect(text).toContain("due: 1,000+\n  unknown: 1000\n  dead letters: 1,000+\n");
});
