import { describe, expect, it } from "vitest";
import { answerText, lastErrorText } from "./answer-text.ts";
import { callsText, nextText, shownState, worstFirst, type BreakerItem } from "./breaker-state.ts";
import { feedbackNote, feedbackText } from "./feedback-text.ts";
import { chosen, statusChoices, isEmailId, wrongFilters } from "./filters.ts";
import { rangeText } from "./format.ts";
import { notifiedBy } from "./notified.ts";
import { filledUp } from "./older-release.ts";
import { paceTone, rateText } from "./pace.ts";
import { partsOf, type PartFacts } from "./parts.ts";
import { placeOf } from "./router.ts";
import { withGaps } from "./series.ts";
import { ago, breaker, down, noAlerts, NOW, open, well, withEmail } from "./test-facts.ts";

/** What decides what the pages show. */

describe("the rate of a transport", () => {
  const name = "smtp" as const;
  const until = new Date(NOW).toISOString();
  const closed = { until, by: { phase: "HTTP", code: 429, text: "too many" } };

  it.each([
    [{}, "good", "no limit"],
    [{ configuredPerSecond: 5, ratePerSecond: 5 }, "good", "5 per second"],
    [{ ratePerSecond: 2.5, slowedAt: until }, "warn", "2.5 per second"],
    [
      { configuredPerSecond: 5, ratePerSecond: 2.5, slowedAt: until },
      "warn",
      "2.5 per second of 5",
    ],
    [{ ratePerSecond: 5, closed }, "bad", "closed by a limit"],
  ])("%j is shown as %s: %s", (pace, tone, text) => {
    const shown = { name, used: true, ...pace };
    expect([paceTone(shown), rateText(shown)]).toEqual([tone, text]);
  });
});

it("an email that stays sent for lack of feedback is shown as that, and no other", () => {
  const note = "No feedback configured: it stays sent, whether it arrives or bounces.";
  expect(feedbackNote({ status: "sent", feedback: "not-configured" })).toBe(note);
  expect(feedbackNote({ status: "sent", feedback: "configured" })).toBeNull();
  expect(feedbackNote({ status: "sent" })).toBeNull();
  expect(feedbackNote({ status: "delivered", feedback: "not-configured" })).toBeNull();
  expect(feedbackText({ feedback: "not-configured" })).toBe("no feedback configured");
  expect(feedbackText({})).toBe("–");
});

describe("a circuit breaker", () => {
  const unreachable: BreakerItem = { name: "cache", state: "UNREACHABLE", used: true };

  it.each<[BreakerItem, string, string]>([
    [breaker("cache"), "good", "Closed"],
    [open("cache", 1), "bad", "Open"],
    [breaker("cache", { state: "HALF_OPEN" }), "warn", "Half-open"],
    [unreachable, "idle", "Does not answer"],
    [breaker("cache", { override: "disabled" }), "warn", "Disabled"],
    [breaker("cache", { override: "forced-closed" }), "warn", "Forced closed"],
    [open("cache", 1, { override: "forced-open" }), "bad", "Forced open"],
    [breaker("email:resend", { used: false }), "idle", "Not used"],
    [open("email:resend", 1, { used: false }), "idle", "Not used, open"],
  ])("%j is shown as %s %s", (item, tone, word) => {
    expect(shownState(item)).toEqual({ tone, word });
  });

  it("that is broken comes first, one that is not used last", () => {
    const items = [
      breaker("email:resend", { used: false }),
      breaker("database"),
      unreachable,
      open("email:smtp", 1),
    ];
    expect(worstFirst(items).map(({ name }) => name)).toEqual([
      "email:smtp",
      "cache",
      "database",
      "email:resend",
    ]);
  });

  it("has counts only while it is closed: an open one has none, not zero", () => {
    expect(callsText(open("cache", 1))).toBeNull();
    expect(callsText(breaker("cache", { state: "HALF_OPEN" }))).toBeNull();
    expect(callsText(breaker("cache", { override: "disabled" }))).toBeNull();
    expect(callsText(breaker("cache"))).toBe("No calls in the last 60 s.");
    expect(callsText(breaker("cache", { failures: 1, calls: 3 }))).toBe(
      "1 failure in 3 calls of the last 60 s.",
    );
  });

  it("states what comes next", () => {
    expect(nextText(open("cache", 1))).toBe("Next probe in 19 s.");
    expect(nextText(open("cache", 1, { retryAfterMs: 0 }))).toBe("The next call is the probe.");
    expect(nextText(breaker("cache", { state: "HALF_OPEN", retryAfterMs: 5 }))).toBe(
      "A probe is running.",
    );
    expect(nextText(breaker("cache"))).toBeNull();
  });
});

describe("a part", () => {
  const parts = (changes: Partial<PartFacts>) =>
    Object.fromEntries(
      partsOf({
        health: well,
        breakers: null,
        alerts: noAlerts,
        transports: null,
        now: NOW,
        ...changes,
      }).map(({ name, tone, text }) => [name, `${tone} ${text}`]),
    );

  it("is good while its check and its breakers are", () => {
    expect(parts({})).toEqual({
      Database: "good answers, 10 % of 10.0 GB",
      "Circuit breakers": "good all closed",
      "Scheduled tasks": "good on time",
      Cache: "good purge outbox empty",
      Email: "good 0 due",
      Alerts: "good none firing",
    });
  });

  it("is not good while a breaker that it depends on is open", () => {
    const items = ["email:smtp", "cache", "database", "alerts:webhook"].map((name) =>
      open(name, 5),
    );
    const health = withEmail({ queued: 14, nextDueAt: ago(-19) });
    expect(parts({ health, breakers: { items } })).toEqual({
      Database: "bad answers, but its breaker rejects reads, 10 % of 10.0 GB",
      "Circuit breakers": "bad email:smtp open, cache open, database open, alerts:webhook open",
      "Scheduled tasks": "good on time",
      Cache: "bad KV is down, purge outbox empty",
      Email: "bad smtp is down, 14 waiting, next try in 19 s, 0 due",
      Alerts: "bad the webhook is down, none firing",
    });
  });

  it("warns while another transport takes the emails, and ignores what is not used", () => {
    const smtp = open("email:smtp", 5);
    const email = (...items: BreakerItem[]) => parts({ breakers: { items } })["Email"];
    expect(email(smtp, breaker("email:resend"))).toBe("warn smtp is down, 0 due");
    expect(email(smtp, breaker("email:resend", { used: false }))).toBe("bad smtp is down, 0 due");
    expect(email(breaker("email:smtp"), open("email:resend", 5, { used: false }))).toBe(
      "good 0 due",
    );
  });

  it("is not good while a limit closes a transport, and bad if there is no other", () => {
    const until = ago(-300);
    const by = { phase: "HTTP", code: 429, text: "too many" };
    const closed = { name: "resend" as const, used: true, closed: { until, by } };
    const email = (used: boolean) =>
      parts({ transports: { items: [closed, { name: "smtp", used }] } })["Email"];
    expect(email(true)).toBe("warn resend is closed by a limit, 0 due");
    expect(email(false)).toBe("bad resend is closed by a limit, 0 due");
    const slowed = { name: "smtp" as const, used: true, ratePerSecond: 2, slowedAt: ago(5) };
    expect(parts({ transports: { items: [slowed] } })["Email"]).toBe(
      "idle smtp is slowed down by a limit, 0 due",
    );
  });

  it("is not known while its source does not answer, and never 'on time' then", () => {
    const health = {
      ...well,
      checks: {
        ...well.checks,
        tasks: { status: "degraded" as const, overdue: [], unreachable: true as const },
      },
    };
    expect(parts({ health })["Scheduled tasks"]).toBe(
      "warn not known: the watchdog does not answer",
    );
    const unreachable: BreakerItem = { name: "cache", state: "UNREACHABLE", used: true };
    expect(parts({ breakers: { items: [unreachable] } })["Circuit breakers"]).toBe(
      "warn cache does not answer",
    );
    expect(parts({ health: down, alerts: null })).toMatchObject({
      Database: "bad does not answer",
      Cache: "idle not known: the database does not answer",
      Email: "idle not known: the database does not answer",
      Alerts: "idle not known",
    });
  });

  it("warns of dead and unknown emails, and of alerts without a channel", () => {
    expect(parts({ health: withEmail({ dead: 1, unknown: 2 }) })["Email"]).toBe(
      "warn 0 due, 2 unknown, 1 dead",
    );
    expect(parts({ alerts: { ...noAlerts, channels: [] } })["Alerts"]).toBe(
      "warn no channel is configured, none firing",
    );
  });
});

it("a notice names only the channels that took it or will", () => {
  const at = ago(35);
  expect(notifiedBy({}, [])).toEqual([]);
  expect(notifiedBy({}, ["webhook"])).toEqual([{ channel: "webhook", at: null }]);
  expect(notifiedBy({ emailAt: at }, ["email", "webhook"])).toEqual([
    { channel: "email", at },
    { channel: "webhook", at: null },
  ]);
  expect(notifiedBy({ emailAt: at }, [])).toEqual([{ channel: "email", at }]);
});

it.each([
  [
    { transport: "smtp", phase: "CONN", code: 421, text: "421 4.3.2 busy" },
    "Last error (smtp, connect): 421 4.3.2 busy",
    "smtp, connect: 421 4.3.2 busy",
  ],
  [
    { transport: "resend", phase: "http", code: 500, text: "broken", isFinal: true },
    "Last error (resend, http): 500 broken: isFinal",
    "resend, http: 500 broken: isFinal",
  ],
  [{ text: "no answer" }, "Last error: no answer", "no answer"],
  ["text", "Last error: text", "text"],
])(
  "the text of the error %j has where it happened and what was answered",
  (detail, label, text) => {
    expect(lastErrorText(detail)).toBe(label);
    expect(answerText(detail)).toBe(text);
  },
);

it("an answer of the release before gets the fields that it lacks", () => {
  const item = { name: "cache", state: "UNREACHABLE" };
  expect(filledUp("listCircuitBreakers", { items: [item] } as never)).toEqual({
    items: [{ ...item, used: true }],
  });
  expect(filledUp("listAlerts", { firing: [], notices: [] } as never).channels).toHaveLength(2);
  expect(filledUp("listAlerts", noAlerts)).toEqual(noAlerts);
  for (const status of ["ok", "down"]) {
    const filled = filledUp("getHealth", { status, checks: { database: {} } } as never);
    expect(filled.checks).toEqual({ database: {}, settings: { status: "ok", invalid: [] } });
  }
  const series = { requests: [1, 2] };
  expect(filledUp("getTelemetry", { from: "f", series } as never)).toMatchObject({
    reported: [true, true],
    series: { requests: [1, 2], requestLatencyP50Range: [null, null] },
  });
});

it("a step in which nothing was reported is a gap, not zero", () => {
  expect(withGaps([0, 0, 3], [false, true, true])).toEqual([null, 0, 3]);
});

it.each([
  [{ fromMs: 0, toMs: 5 }, "below 5 ms"],
  [{ fromMs: 100, toMs: 250 }, "100–250 ms"],
  [{ fromMs: 500, toMs: 1_000 }, "0.5–1 s"],
  [{ fromMs: 1_000, toMs: 2_500 }, "1–2.5 s"],
  [{ fromMs: 10_000, toMs: null }, "over 10 s"],
])("the range %j is %s, not a number within it", (range, text) => {
  expect(rangeText(range)).toBe(text);
});

describe("the filters of an address", () => {
  it.each([
    "#/",
    "#/?range=day",
    "#/email?status=dead&to=a%40example.com&cursor=1~2&range=month",
    "#/dead-letters?reason=exhausted&to=x",
    "#/audit?actor=admin",
    "#/email/4711?status=delivered&subject=Hi&show=text",
    "#/no-such-page?x=1",
  ])("of %s are applied", (hash) => {
    expect(wrongFilters(placeOf(hash))).toEqual([]);
  });

  it.each([
    ["#/email?status=gone", /^"gone" is no value of the filter "status". It is one of: scheduled,/],
    ["#/email?status=", /^"" is no value of the filter "status"/],
    ["#/email?stauts=dead", /^This page has no filter "stauts". It has: to, from, tag, tenant,/],
    ["#/email?status=dead&status=unknown", /^The filter "status" is given 2 times/],
    ["#/?range=year", /^"year" is no value of the filter "range"/],
    ["#/dead-letters?reason=bounced", /^"bounced" is no value of the filter "reason"/],
    ["#/tasks?status=failed", /^This page has no filter "status". It has none.$/],
    ["#/email/4711?show=all", /^"all" is no value of the filter "show"/],
    ["#/email?constructor=1", /^This page has no filter "constructor"/],
  ])("of %s are refused by name", (hash, text) => {
    expect(wrongFilters(placeOf(hash))).toEqual([expect.stringMatching(text)]);
  });

  it("have the value that the address names", () => {
    expect(chosen(new URLSearchParams("status=dead"), "status", statusChoices)).toBe("dead");
    expect(chosen(new URLSearchParams(), "status", statusChoices)).toBeUndefined();
  });
});

it("an id of an email is a UUID, and a part of an address is none", () => {
  expect(isEmailId(crypto.randomUUID())).toBe(true);
  expect(["customer", "4711", ""].some(isEmailId)).toBe(false);
});
