import { describe, expect, it } from "vitest";
import { alertConditions, streakRuns, type AlertFacts } from "./conditions.ts";
import { evaluate, quiet, type Alert, type NoticeKind } from "./evaluate.ts";

/** How many notices a day makes, evaluated each minute as luna-cron does. */

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;
const FAILURES = 3;
const start = Date.parse("2026-11-25T00:00:00Z");

type Minute = { open?: boolean; fails?: boolean; unknown?: boolean };
type Sent = { at: number; key: string; kind: NoticeKind };

const nothing: AlertFacts["emails"] = {
  oldestDueAt: null,
  waitingSince: null,
  nearLimits: 0,
  pausedSince: null,
  unknown: 0,
  dead: 0,
  newestDeadAt: null,
  expiring: 0,
  operatorIsSuppressed: 0,
};

/** The notices of that many minutes, each with the state that a function returns. */
function noticesOf(
  stateAt: (minute: number) => Minute,
  { minutes = DAY_MINUTES, recoveryMs = 5 * MINUTE_MS } = {},
): Sent[] {
  const alerts = new Map<string, Alert>();
  const statuses: ("success" | "failure")[] = [];
  const sent: Sent[] = [];
  for (let at = 0; at < minutes; at += 1) {
    const now = start + at * MINUTE_MS;
    const { open = false, fails = false, unknown = false } = stateAt(at);
    statuses.unshift(fails ? "failure" : "success");
    const facts: AlertFacts = {
      streaks: [{ task: "backup", statuses: statuses.slice(0, streakRuns(FAILURES)) }],
      failed: [],
      emails: { ...nothing, unknown: unknown ? 1 : 0 },
    };
    const breakers = [{ name: "database", state: open ? "OPEN" : "CLOSED" }];
    for (const condition of alertConditions(
      facts,
      breakers,
      { failures: FAILURES, wrong: [] },
      now,
    )) {
      const before = alerts.get(condition.key) ?? quiet;
      const { alert, notice } = evaluate(before, condition, { now, recoveryMs });
      alerts.set(condition.key, alert);
      if (notice !== null) sent.push({ at, key: condition.key, kind: notice });
    }
  }
  return sent;
}

const kindsOf = (sent: Sent[]): string[] => sent.map(({ key, kind }) => `${kind} ${key}`);

describe("in a day, evaluated each minute", () => {
  it("nothing wrong makes no notice", () => {
    expect(noticesOf(() => ({}))).toEqual([]);
  });

  it("a condition that holds steadily makes one notice, and one more per day", () => {
    const steady = () => ({ unknown: true });
    expect(kindsOf(noticesOf(steady))).toEqual(["fired email:unknown"]);
    expect(kindsOf(noticesOf(steady, { minutes: 2 * DAY_MINUTES + 1 }))).toEqual([
      "fired email:unknown",
      "reminder email:unknown",
      "reminder email:unknown",
    ]);
  });

  it("one blip makes a notice and its recovery, and of a breaker none", () => {
    const blip = (minute: number) => minute === 100;
    expect(noticesOf((minute) => ({ unknown: blip(minute) }))).toEqual([
      { at: 100, key: "email:unknown", kind: "fired" },
      { at: 106, key: "email:unknown", kind: "recovered" },
    ]);
    expect(noticesOf((minute) => ({ open: blip(minute), fails: blip(minute) }))).toEqual([]);
  });

  it("a condition that changes each minute makes two notices, the second about flapping", () => {
    expect(noticesOf((minute) => ({ unknown: minute % 2 === 0 }))).toEqual([
      { at: 0, key: "email:unknown", kind: "fired" },
      { at: 4, key: "email:unknown", kind: "flapping" },
    ]);
  });

  it("a condition that changes each ten minutes is notified as flapping at its third beginning", () => {
    expect(kindsOf(noticesOf((minute) => ({ unknown: minute % 20 < 10 })))).toEqual([
      "fired email:unknown",
      "recovered email:unknown",
      "fired email:unknown",
      "recovered email:unknown",
      "flapping email:unknown",
    ]);
  });

  it("a condition that flaps for days is notified once per day", () => {
    const kinds = kindsOf(
      noticesOf((minute) => ({ unknown: minute % 2 === 0 }), { minutes: 5 * DAY_MINUTES + 10 }),
    );
    expect(kinds).toEqual([
      "fired email:unknown",
      ...Array.from({ length: 6 }, () => "flapping email:unknown"),
    ]);
  });

  it("a condition that flapped is over two hours after its last end", () => {
    const sent = noticesOf((minute) => ({ unknown: minute < 60 && minute % 2 === 0 }));
    expect(sent.slice(2)).toEqual([{ at: 59 + 120, key: "email:unknown", kind: "recovered" }]);
  });

  it("a breaker that is open four of five minutes makes a notice, and one about flapping", () => {
    const sent = noticesOf((minute) => ({ open: minute % 5 < 4 }));
    expect(kindsOf(sent)).toEqual(["fired breaker:database", "flapping breaker:database"]);
    expect(sent[0]?.at).toBeLessThan(10);
  });

  it("a breaker that is open one of five minutes makes no notice", () => {
    expect(noticesOf((minute) => ({ open: minute % 5 === 0 }))).toEqual([]);
  });

  it("a task that fails two of three times makes one notice", () => {
    const sent = noticesOf((minute) => ({ fails: minute % 3 < 2 }));
    expect(kindsOf(sent)).toEqual(["fired task:backup"]);
    expect(sent[0]?.at).toBeLessThan(10);
  });

  it("a task that fails every other time makes one notice, and one of three times none", () => {
    expect(kindsOf(noticesOf((minute) => ({ fails: minute % 2 === 0 })))).toEqual([
      "fired task:backup",
    ]);
    expect(noticesOf((minute) => ({ fails: minute % 3 === 0 }))).toEqual([]);
  });

  it("a task that fails for an hour has recovered within ten minutes after that", () => {
    const sent = noticesOf((minute) => ({ fails: minute >= 100 && minute < 160 }));
    expect(sent).toEqual([
      { at: 102, key: "task:backup", kind: "fired" },
      { at: 167, key: "task:backup", kind: "recovered" },
    ]);
  });

  it("each change makes a notice if no time before the end is configured", () => {
    const sent = noticesOf((minute) => ({ unknown: minute % 2 === 0 }), { recoveryMs: 0 });
    expect(sent).toHaveLength(DAY_MINUTES);
  });
});

it.each([1, 2, 3, 10, 11, 40, 100])(
  "with ALERT_FAILURES=%i as many failures in a row raise an alert, and one fewer do not",
  (failures) => {
    const holds = (count: number): boolean => {
      const facts: AlertFacts = {
        streaks: [{ task: "backup", statuses: Array.from({ length: count }, () => "failure") }],
        failed: [],
        emails: nothing,
      };
      return alertConditions(facts, [], { failures, wrong: [] }, start).some((one) => one.holds);
    };
    expect(streakRuns(failures)).toBeGreaterThanOrEqual(failures);
    expect([holds(failures - 1), holds(failures)]).toEqual([false, true]);
  },
);
