import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ReachableBreaker, BreakerItem } from "./breaker-state.ts";
import { runbookLink, runbookOfKind } from "./issue.ts";
import { findIssues, headlineOf, type IssueFacts } from "./issues.ts";
import {
  ago,
  announced,
  breaker,
  down,
  listOf,
  noAlerts,
  NOW,
  open,
  well,
  withEmail,
} from "./test-facts.ts";

const severity = "page" as const;

const facts = (changes: Partial<IssueFacts> = {}): IssueFacts => ({
  health: well,
  alerts: noAlerts,
  breakers: null,
  downSince: null,
  recent: null,
  now: NOW,
  ...changes,
});
const withBreakers = (...items: BreakerItem[]) => facts({ breakers: listOf(items) });
const shown = (given: IssueFacts) =>
  findIssues(given).map(({ needs, tone, text }) => `${needs} ${tone} ${text}`);
const headline = (given: IssueFacts) => headlineOf(findIssues(given));

it("shows no issue while everything works, and none before anything was read", () => {
  expect(findIssues(facts())).toEqual([]);
  expect(findIssues(facts({ health: null, alerts: null }))).toEqual([]);
});

it("shows first what needs a person, each with a link, an action and a runbook", () => {
  const { checks } = withEmail({
    status: "degraded",
    due: 1,
    oldestDueSeconds: 400,
    unknown: 2,
    dead: 3,
  });
  const health = {
    ...well,
    checks: {
      ...checks,
      breakers: {
        ...checks.breakers,
        states: { cache: "OPEN", database: "HALF_OPEN" },
        unreachable: ["email:smtp"],
      },
      tasks: {
        status: "degraded" as const,
        overdue: [{ task: "sweep-outbox", dueBy: ago(60) }],
      },
      cache: { ...checks.cache, owedPurges: 1, oldestOwedSeconds: 90 },
    },
  };
  const firing = [{ key: "k", severity, summary: "Too many failures.", since: "s", firedAt: "f" }];
  const given = facts({ health, alerts: { ...noAlerts, firing } });
  expect(shown(given)).toEqual([
    "you bad The task sweep-outbox is overdue.",
    "you bad 1 email due, the oldest for 6 min.",
    "you bad Too many failures.",
    "you warn 2 emails with an unknown outcome.",
    "you warn 3 dead letters to replay or discard.",
    "luna bad The circuit breaker of cache is open. Reads come from memory and the database.",
    "luna warn The circuit breaker of database is half-open. Reads come from the cache, or are refused. Writes are still tried.",
    "luna warn The circuit breaker of email:smtp does not answer.",
    "luna warn 1 purge in the outbox, the oldest for 90 s.",
  ]);
  const found = findIssues(given);
  for (const { link, press } of found) {
    expect(link).toMatch(/^#\//);
    expect(press).not.toBe("");
  }
  expect(found.map(({ runbook }) => runbook)).toEqual([
    "task-overdue",
    "queue-stuck",
    "errors",
    "unknown-emails",
    "dead-letters-growing",
    "kv-down",
    "circuit-breaker-open",
    "provider-down",
    "old-data-served",
  ]);
});

describe("the headline", () => {
  it.each<readonly [string, IssueFacts, string, string]>([
    ["nothing", facts(), "good", "All is well"],
    [
      "a breaker that recovers by itself",
      withBreakers(open("cache", 60)),
      "warn",
      "1 part is down, Luna is handling it",
    ],
    [
      "two of them",
      withBreakers(open("cache", 60), open("email:smtp", 60)),
      "warn",
      "2 parts are down, Luna is handling it",
    ],
    [
      "a breaker that is half-open",
      withBreakers(breaker("cache", { state: "HALF_OPEN" })),
      "warn",
      "Luna is handling 1 thing",
    ],
    [
      "one of them, and a dead letter",
      { ...withBreakers(open("cache", 60)), health: withEmail({ dead: 1 }) },
      "warn",
      "1 thing needs you",
    ],
    [
      "a dead letter and an email that has been due for too long",
      facts({ health: withEmail({ dead: 1, status: "degraded", due: 1, oldestDueSeconds: 400 }) }),
      "bad",
      "2 things need you",
    ],
    ["a database that does not answer", facts({ health: down }), "bad", "1 thing needs you"],
    [
      "a breaker that has not recovered for over half an hour",
      withBreakers(open("email:smtp", 31 * 60)),
      "bad",
      "1 thing needs you",
    ],
  ])("with %s counts only what needs a person", (_, given, tone, text) => {
    expect(headline(given)).toEqual({ tone, text });
  });
});

describe("an open breaker", () => {
  it("states since when, the last error and the next probe, from the first second", () => {
    const [found] = findIssues(withBreakers(open("cache", 1)));
    expect(found).toMatchObject({
      since: ago(1),
      detail: "5 of 5 calls failed: connect ECONNREFUSED 127.0.0.1:9. Next probe in 19 s.",
    });
  });

  it("of the only transport states how many emails wait", () => {
    const smtp = open("email:smtp", 5);
    expect(shown({ ...withBreakers(smtp), health: withEmail({ queued: 14 }) })).toEqual([
      "luna bad The circuit breaker of email:smtp is open. 14 emails waiting, none lost.",
    ]);
    expect(shown(withBreakers(smtp, breaker("email:resend", { used: false })))).toEqual([
      "luna bad The circuit breaker of email:smtp is open. 0 emails waiting, none lost.",
    ]);
    expect(shown(withBreakers(smtp, breaker("email:resend")))).toEqual([
      "luna bad The circuit breaker of email:smtp is open. Emails go by another transport.",
    ]);
  });

  it("that nothing calls any more needs a reset: it never probes", () => {
    expect(shown(withBreakers(open("email:resend", 60, { used: false })))).toEqual([
      "you warn The circuit breaker of email:resend is open, and nothing calls it any more: reset it.",
    ]);
  });

  it.each<[string, Partial<ReachableBreaker>]>([
    ["disabled. It protects nothing.", { override: "disabled" }],
    ["forced-closed. It protects nothing.", { override: "forced-closed" }],
    ["forced-open. It rejects every call.", { override: "forced-open", state: "OPEN" }],
  ])("or a closed one under an override needs the operator: %s", (text, changes) => {
    expect(shown(withBreakers(breaker("cache", changes), breaker("database")))).toEqual([
      `you warn An operator overrides the circuit breaker of cache: ${text}`,
    ]);
  });

  it("is shown as its object has it, not as the isolate that answered /health has it", () => {
    const health = {
      ...well,
      checks: {
        ...well.checks,
        breakers: { ...well.checks.breakers, states: { cache: "OPEN" } },
      },
    };
    expect(shown({ ...withBreakers(breaker("cache")), health })).toEqual([]);
    expect(shown({ ...withBreakers(open("cache", 1)), health })).toHaveLength(1);
    expect(shown(facts({ health }))).toHaveLength(1);
  });
});

it("a setting that is not valid is shown by name, once, also while D1 is down", () => {
  const settings = { status: "degraded" as const, invalid: ["PRODUCT_COLOUR", "TRIAL_DAYS"] };
  const text = "you warn Not valid, so the default applies: PRODUCT_COLOUR, TRIAL_DAYS.";
  const alert = {
    key: "settings",
    severity,
    summary: "PRODUCT_COLOUR must be …",
    since: "s",
    firedAt: "f",
  };
  const health = { ...well, checks: { ...well.checks, settings } };
  expect(shown(facts({ health, alerts: { ...noAlerts, firing: [alert] } }))).toEqual([text]);
  const gone = { ...down, checks: { ...down.checks, settings } } as typeof down;
  expect(shown(facts({ health: gone }))).toContain(text);
});

describe("an alert", () => {
  it("and the issue that it is about are shown once, with the time of the alert", () => {
    const alert = {
      key: "email:dead",
      severity,
      summary: "1 dead letter",
      since: ago(60),
      firedAt: ago(50),
    };
    const given = facts({
      health: withEmail({ dead: 1 }),
      alerts: { ...noAlerts, firing: [alert] },
    });
    expect(findIssues(given)).toMatchObject([{ key: "email:dead", since: alert.since }]);
  });

  it("that no longer holds needs no person, except while it flaps", () => {
    const alert = {
      key: "settings",
      severity,
      summary: "X must be a URL",
      since: ago(600),
      firedAt: ago(9),
    };
    const given = (more: object) =>
      findIssues(facts({ alerts: { ...noAlerts, firing: [{ ...alert, ...more }] } }));
    expect(given({})).toMatchObject([{ needs: "you", tone: "bad", detail: null }]);
    expect(given({ clearSince: ago(60) })).toMatchObject([
      { needs: "luna", tone: "warn", detail: "It no longer holds." },
    ]);
    expect(given({ clearSince: ago(60), flappingSince: ago(99) })).toMatchObject([
      { needs: "you", tone: "warn", detail: "It flaps. It no longer holds." },
    ]);
  });

  it("about a breaker that has closed since needs no person", () => {
    const alert = {
      key: "breaker:cache",
      severity,
      summary: "the circuit breaker cache is OPEN",
      since: ago(600),
      firedAt: ago(300),
    };
    const alerts = { ...noAlerts, firing: [alert] };
    expect(findIssues({ ...withBreakers(breaker("cache")), alerts })).toMatchObject([
      { needs: "luna", tone: "warn", detail: "The breaker is closed now." },
    ]);
    expect(findIssues(facts({ health: null, alerts }))).toMatchObject([{ needs: "you" }]);
  });
});

describe("the breaker of another Worker", () => {
  it("is an issue while it is open, and explains no error of Luna", () => {
    const recent = { minutes: 10, requests: 1_000, errors5xx: 5 };
    const outage = { since: ago(60), reason: "5 of 5 calls failed: down" };
    const given = { ...withBreakers(announced("prices", { state: "OPEN", outage })), recent };
    expect(findIssues(given)).toMatchObject([
      { key: "errors", needs: "you" },
      {
        key: "breaker:prices",
        needs: "luna",
        tone: "bad",
        text:
          "The circuit breaker of prices is open. " +
          "Calls of the Workers that use it are rejected.",
        detail: "5 of 5 calls failed: down.",
        runbook: "circuit-breaker-open",
      },
    ]);
  });

  it("that no Worker uses any more is to be reset", () => {
    const given = withBreakers(announced("prices", { state: "OPEN", used: false }));
    expect(findIssues(given)).toMatchObject([{ needs: "you", tone: "warn", press: "Reset it" }]);
  });

  it("is an issue if it cannot be listed, or the list was not read", () => {
    const registry = { names: 200, limit: 200, refused: { full: 2, name: 1 } };
    expect(findIssues(facts({ breakers: { items: [], registry } }))).toMatchObject([
      {
        needs: "you",
        text: "3 circuit breakers of other Workers cannot be listed.",
        detail:
          "They work: the list of 200 is full for 2; the name of 1 may be an address or a key.",
      },
    ]);
    expect(shown(facts({ breakers: { items: [] } }))).toEqual([
      "luna warn The circuit breakers of other Workers are not known: their list was not read.",
    ]);
  });
});

it("5xx answers above the target are an issue, which follows from a part that is down", () => {
  const recent = { minutes: 10, requests: 1_000, errors5xx: 5 };
  const text = "5 answers of 1,000 requests were 5xx in the last 10 min.";
  expect(shown(facts({ recent }))).toEqual([`you warn ${text}`]);
  expect(shown({ ...withBreakers(open("database", 5)), recent })[1]).toBe(`luna warn ${text}`);
  expect(shown(facts({ recent: { ...recent, errors5xx: 4 } }))).toEqual([]);
  expect(shown(facts({ recent: { ...recent, requests: 5_000 } }))).toEqual([]);
});

it("the link to a runbook names what its commands are about", () => {
  const link = (key: string) => runbookLink({ key, runbook: "page" });
  expect(["breaker:email:smtp", "overdue:sweep-outbox", "email:dead"].map(link)).toEqual([
    "runbooks/page?name=email%3Asmtp",
    "runbooks/page?task=sweep-outbox",
    "runbooks/page",
  ]);
});

it("every named runbook exists", () => {
  expect(
    [...runbookOfKind.map(([, name]) => name), "errors"].filter(
      (name) => !existsSync(`docs/operate/runbooks/${name}.md`),
    ),
  ).toEqual([]);
});
