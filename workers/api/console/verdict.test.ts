import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import type { Health } from "./api.ts";
import { runbookOfKind, troubles } from "./verdict.ts";

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
const texts = (health: Health) => troubles(health, null).map(({ tone, text }) => [tone, text]);

it("nothing is said of what is well, or of what nobody knows yet", () => {
  expect(troubles(well, { firing: [], notices: [] })).toEqual([]);
  expect(troubles(null, null)).toEqual([]);
});

it("what is worst comes first, each with where to go and what to press", () => {
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
  const found = troubles(health, {
    firing: [{ key: "k", summary: "It burns.", since: "s", firedAt: "f" }],
    notices: [],
  });
  expect(found.map(({ tone, text }) => `${tone} ${text}`)).toEqual([
    "bad The circuit breaker of cache is open.",
    "bad The task sweep-outbox is overdue.",
    "bad 1 mail could go out and wait, the oldest for 6 min.",
    "bad It burns.",
    "warn The circuit breaker of database is being probed.",
    "warn The breaker of email:smtp does not answer.",
    "warn Of 2 mails nobody knows whether it was sent.",
    "warn 3 dead letters waiting for somebody.",
    "warn 1 purge owed to the cache, the oldest for 90 s.",
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

it("what is seen and what an alert says of it is one thing, and the alert says since when", () => {
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
  expect(troubles(health, { firing: [alert], notices: [] })).toMatchObject([
    { key: "email:dead", since: alert.since },
  ]);
});

it("a breaker that an operator holds closed is said: /health cannot tell it from one that is well", () => {
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
  expect(troubles(well, null, held).map(({ tone, text }) => [tone, text])).toEqual([
    ["warn", "An operator holds the circuit breaker of cache: disabled. It protects nothing."],
  ]);
});

it("a breaker of which two readings say different things is one thing, by the worse of them", () => {
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
  expect(troubles(health, null, { items: [held] }).map(({ key, text }) => [key, text])).toEqual([
    ["breaker:cache", "The circuit breaker of cache is open."],
  ]);
});

it("every runbook that is named is there", () => {
  expect(
    [...runbookOfKind.map(([, name]) => name), "errors"].filter(
      (name) => !existsSync(`docs/runbooks/${name}.md`),
    ),
  ).toEqual([]);
});

it("a database that does not answer is said, with what is known without it", () => {
  const { breakers, tasks } = well.checks;
  expect(
    texts({
      status: "down",
      version: "1",
      checks: { database: { status: "down" }, breakers, tasks },
    }),
  ).toEqual([["bad", "The database does not answer."]]);
});
