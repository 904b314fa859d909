import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import type { Health } from "./api.ts";
import { runbookOfKind, findIssues } from "./issues.ts";

const well: Health = {
  status: "ok",
  version: "1",
  checks: {
    database: { status: "ok" },
    breakers: { status: "ok", states: { cache: "CLOSED", database: "CLOSED" }, unreachable: [] },
    cache: { status: "ok", owedPurges: 0, oldestOwedSeconds: 0 },
    tasks: { status: "ok", overdue: [] },
    email: {
      status: "ok",
      oldestDueSeconds: 0,
      scheduled: 0,
      queued: 0,
      pinned: 0,
      due: 0,
      inFlight: 0,
      unknown: 0,
      dead: 0,
    },
  },
};
const texts = (health: Health) => findIssues(health, null).map(({ tone, text }) => [tone, text]);

it("shows no issue while everything works, and none before anything was read", () => {
  expect(findIssues(well, { firing: [], notices: [] })).toEqual([]);
  expect(findIssues(null, null)).toEqual([]);
});

it("shows the worst issue first, each with a link and an action", () => {
  const { checks } = well;
  const health: Health = {
    ...well,
    checks: {
      ...checks,
      breakers: {
        ...checks.breakers,
        states: { cache: "OPEN", database: "HALF_OPEN" },
        unreachable: ["email:smtp"],
      },
      tasks: {
        status: "degraded",
        overdue: [{ task: "sweep-outbox", dueBy: "2026-11-25T10:00:00.000Z" }],
      },
      email: {
        ...checks.email,
        status: "degraded",
        due: 1,
        oldestDueSeconds: 400,
        unknown: 2,
        dead: 3,
      },
      cache: { ...checks.cache, owedPurges: 1, oldestOwedSeconds: 90 },
    },
  };
  const found = findIssues(health, {
    firing: [{ key: "k", summary: "Too many failures.", since: "s", firedAt: "f" }],
    notices: [],
  });
  expect(found.map(({ tone, text }) => `${tone} ${text}`)).toEqual([
    "bad The circuit breaker of cache is open.",
    "bad The task sweep-outbox is overdue.",
    "bad 1 email due, the oldest for 6 min.",
    "bad Too many failures.",
    "warn The circuit breaker of database is half-open.",
    "warn The circuit breaker of email:smtp does not answer.",
    "warn 2 emails with an unknown outcome.",
    "warn 3 dead letters to replay or discard.",
    "warn 1 purge in the outbox, the oldest for 90 s.",
  ]);
  for (const { link, press } of found) {
    expect(link).toMatch(/^#\//);
    expect(press).not.toBe("");
  }
  expect(found.map(({ runbook }) => runbook)).toEqual([
    "kv-down",
    "task-overdue",
    "queue-stuck",
    "errors",
    "circuit-breaker-open",
    "provider-down",
    "unknown-mails",
    "dead-letters-growing",
    "old-data-served",
  ]);
});

it("an issue and the alert about it are shown once, with the time of the alert", () => {
  const health: Health = {
    ...well,
    checks: { ...well.checks, email: { ...well.checks.email, dead: 1 } },
  };
  const alert = {
    key: "email:dead",
    summary: "1 dead letters wait",
    since: "2026-11-25T10:00:00.000Z",
    firedAt: "2026-11-25T10:01:00.000Z",
  };
  expect(findIssues(health, { firing: [alert], notices: [] })).toMatchObject([
    { key: "email:dead", since: alert.since },
  ]);
});

it("a breaker with an override is an issue, although /health shows it as closed", () => {
  const breaker = {
    name: "cache",
    state: "CLOSED" as const,
    epoch: 1,
    failures: 0,
    calls: 0,
    retryAfterMs: 0,
  };
  const held = {
    items: [
      { ...breaker, override: "disabled" },
      { ...breaker, name: "database", override: "none" },
    ],
  };
  expect(findIssues(well, null, held).map(({ tone, text }) => [tone, text])).toEqual([
    ["warn", "An operator overrides the circuit breaker of cache: disabled. It protects nothing."],
  ]);
});

it("a breaker that two answers show differently is one issue, the worse one", () => {
  const { checks } = well;
  const health: Health = {
    ...well,
    checks: { ...checks, breakers: { ...checks.breakers, states: { cache: "OPEN" } } },
  };
  const held = {
    name: "cache",
    state: "CLOSED" as const,
    override: "disabled",
    epoch: 1,
    failures: 0,
    calls: 0,
    retryAfterMs: 0,
  };
  expect(findIssues(health, null, { items: [held] }).map(({ key, text }) => [key, text])).toEqual([
    ["breaker:cache", "The circuit breaker of cache is open."],
  ]);
});

it("every named runbook exists", () => {
  expect(
    [...runbookOfKind.map(([, name]) => name), "errors"].filter(
      (name) => !existsSync(`docs/runbooks/${name}.md`),
    ),
  ).toEqual([]);
});

it("a database that does not answer is an issue, and the other checks are still shown", () => {
  const { breakers, tasks } = well.checks;
  expect(
    texts({
      status: "down",
      version: "1",
      checks: { database: { status: "down" }, breakers, tasks },
    }),
  ).toEqual([["bad", "The database does not answer."]]);
});
