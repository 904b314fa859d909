import { readFileSync } from "node:fs";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import {
  apiKeyKey,
  emailKey,
  relatedKey,
  relatedReads,
  userKey,
} from "../../shared/accounts/rules/keys.ts";
import { alertConditions } from "../../shared/alerts/rules/conditions.ts";
import { alertSettings } from "../../shared/alerts/settings.ts";
import { settle } from "../../shared/email/rules/lifecycle.ts";
import { retryDelayMs } from "../../shared/email/rules/retry-policy.ts";
import { deadLetterRetentionDays, retryPolicy } from "../../shared/email/settings.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { encode } from "../../shared/lib/cache/rules/envelope.ts";
import { cacheSettings } from "../../shared/lib/cache/rules/variables.ts";
import {
  callWithRetries,
  defaultRetries,
  RetryBudget,
} from "../../shared/lib/circuit-breaker/isolate/retry.ts";
import {
  initialBreaker,
  snapshot,
  type Breaker,
} from "../../shared/lib/circuit-breaker/rules/phase.ts";
import { defaultSettings } from "../../shared/lib/circuit-breaker/rules/settings.ts";
import { decide, type Event } from "../../shared/lib/circuit-breaker/rules/state.ts";
import { newIsolate, SimulatedBackends } from "../support/cache-fleet.ts";
import { DependencyDown, isolate, SimulatedObject, succeed } from "../support/fleet.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

/** The promises that are a number or a formula, at the defaults: no variable is set. */

const start = 1_700_000_000_000;
const unset = {};

describe("the circuit breaker", () => {
  const after = (events: [number, Event][], from: Breaker = initialBreaker): Breaker =>
    events.reduce(
      (breaker, [ms, event]) => decide(breaker, event, defaultSettings, start + ms).breaker,
      from,
    );
  const failures = (count: number): Event => ({
    type: "report",
    epoch: 1,
    failures: count,
    calls: count,
  });
  const probe = (id: string): Event => ({ type: "acquire", id, lastsMs: 10_000, cold: false });
  const ended = (permitId: string, outcome: "success" | "failure"): Event => ({
    type: "probe-ended",
    permitId,
    outcome,
  });
  const stateOf = (breaker: Breaker, ms: number) =>
    snapshot(breaker, defaultSettings, start + ms).state;
  const open = after([[0, failures(5)]]);

  it("is CLOSED after four failures and OPEN after the fifth", () => {
    expect(stateOf(after([[0, failures(4)]]), 0)).toBe("CLOSED");
    expect(stateOf(open, 0)).toBe("OPEN");
  });

  it("lets one probe through after 30 s, when it is HALF_OPEN, and none before", () => {
    expect(decide(open, probe("early"), defaultSettings, start + 29_999).granted).toBe(false);
    const halfOpen = decide(open, probe("first"), defaultSettings, start + 30_000);
    expect(halfOpen.granted).toBe(true);
    expect(stateOf(halfOpen.breaker, 30_000)).toBe("HALF_OPEN");
    expect(decide(halfOpen.breaker, probe("second"), defaultSettings, start + 30_001).granted).toBe(
      false,
    );
  });

  it("is CLOSED again when the probe succeeds, and OPEN again when it fails", () => {
    const halfOpen = after([[30_000, probe("p")]], open);
    expect(stateOf(after([[30_100, ended("p", "success")]], halfOpen), 30_100)).toBe("CLOSED");
    expect(stateOf(after([[30_100, ended("p", "failure")]], halfOpen), 30_100)).toBe("OPEN");
  });
});

describe("an operation of the cache", () => {
  /** @returns after how many milliseconds each attempt began, of an operation that always fails */
  async function attemptsOf(retries: number): Promise<number[]> {
    const clock = new VirtualClock();
    const client = isolate(new SimulatedObject(clock));
    void client.run(succeed);
    await clock.advance(50);
    const began = clock.now();
    const triedAt: number[] = [];
    const operation = async (): Promise<never> => {
      triedAt.push(clock.now() - began);
      throw new DependencyDown("down");
    };
    const answer = callWithRetries(operation, {
      client,
      settings: { ...defaultRetries, retries },
      budget: new RetryBudget(),
      clock,
      random: () => 0.5,
    });
    await clock.advance(2_000);
    expect(await answer).toMatchObject({ ok: false });
    return triedAt;
  }

  it("is tried again twice, and has five seconds", () => {
    expect(cacheSettings(unset)).toMatchObject({
      ok: true,
      value: { retries: 2, timeoutMs: 5_000 },
    });
    expect(defaultRetries.retries).toBe(2);
  });

  it("waits 100 and 200 ms before its retries, and 400 ms before a third where that is configured", async () => {
    expect(await attemptsOf(2)).toEqual([0, 100, 300]);
    expect(await attemptsOf(3)).toEqual([0, 100, 300, 700]);
  });

  it("that misses with an origin that fails is answered by the caller's fallback, or by its default value", async () => {
    const clock = new VirtualClock();
    const { cache, counts } = newIsolate(new SimulatedBackends(clock));
    const reading = cache.read("user:1", {
      schema: v.number(),
      tags: [],
      load: async () => fail("down"),
      fallback: () => 7,
    });
    await clock.advance(30_000);
    expect(await reading).toMatchObject({ ok: true, value: 7 });
    expect(counts.fallbacks).toBe(1);
  });

  it("does not store more than 25 MB", () => {
    const entry = (bytes: number) => ({
      v: 1 as const,
      key: "user:1",
      createdAt: 0,
      ttlMs: 1,
      tags: [],
      seq: 0,
      generation: "",
      value: "x".repeat(bytes),
    });
    expect(encode(entry(25 * 1_024 * 1_024 - 1_000))).toMatchObject({ ok: true });
    expect(encode(entry(25 * 1_024 * 1_024))).toMatchObject({
      ok: false,
      error: { tag: "too-large" },
    });
  });
});

describe("an email that is refused for now", () => {
  const policy = retryPolicy(unset);
  const defaults = policy.ok ? policy.value : expect.fail();

  it("is tried again three times, after 1, 2 and 4 s, and then is dead", () => {
    const refused = {
      kind: "refused_transient" as const,
      detail: { transport: "smtp", phase: "RCPT", code: 451, text: "later" },
    };
    const timing = { policy: defaults, now: start, random: 0.5 };
    const settled = [1, 2, 3, 4].map((attempts) => {
      const email = {
        attempts,
        onUnknown: "hold" as const,
        transport: "smtp" as const,
        handOverAt: start,
      };
      const alone = { pinnedUntil: null, refusals: null, hasAlternative: false, hasUntried: false };
      return settle({ ...email, ...alone }, refused, timing);
    });
    expect(settled).toMatchObject([
      { status: "queued", dueAt: start + 1_000 },
      { status: "queued", dueAt: start + 2_000 },
      { status: "queued", dueAt: start + 4_000 },
      { status: "dead" },
    ]);
  });

  it("waits min(base * 2^attempt, max), with a base of 1 s and a maximum of 60 s", () => {
    expect(defaults).toEqual({ maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 });
    for (let attempt = 0; attempt < 12; attempt += 1)
      expect(retryDelayMs(defaults, attempt + 1, 0.5)).toBe(Math.min(1_000 * 2 ** attempt, 60_000));
  });

  it("has the retries and delays that an environment configures", () => {
    const configured = retryPolicy({
      EMAIL_MAX_RETRIES: "5",
      EMAIL_BASE_DELAY_SECONDS: "2",
      EMAIL_MAX_DELAY_SECONDS: "30",
    });
    expect(configured).toEqual({
      ok: true,
      value: { maxRetries: 5, baseDelayMs: 2_000, maxDelayMs: 30_000 },
    });
  });

  it("is kept for seven days once it is a dead letter", () => {
    expect(deadLetterRetentionDays(unset)).toEqual({ ok: true, value: 7 });
  });
});

it("three tasks that fail in one execution, or one that fails three times in a row, raise an alert; two do not", () => {
  const settings = alertSettings(unset);
  expect(settings.failures).toBe(3);
  const nothing = {
    oldestDueAt: null,
    unknown: 0,
    dead: 0,
    newestDeadAt: null,
    operatorIsSuppressed: 0,
    expiring: 0,
  };
  const firing = (count: number) => {
    const statuses = Array.from({ length: count }, () => "failure");
    const failed = statuses.map((_, n) => `task-${n}`);
    const facts = {
      failed,
      streaks: [{ task: "backup", statuses }],
      emails: nothing,
    } as unknown as Parameters<typeof alertConditions>[0];
    const conditions = alertConditions(facts, [], settings, start);
    return conditions.flatMap(({ key, holds }) => (holds ? [key] : []));
  };
  expect(firing(2)).toEqual([]);
  expect(firing(3)).toEqual(["execution", "task:backup"]);
});

it("a user's eight cache keys are those of the mission", () => {
  const related = relatedReads.map((what) => relatedKey("u1", what));
  expect([userKey("u1"), emailKey("a@example.com"), apiKeyKey("k1"), ...related]).toEqual([
    "user:u1",
    "email:a@example.com",
    "api_key:k1",
    "user:u1:permissions",
    "user:u1:subscription",
    "user:u1:usage",
    "user:u1:teams",
    "user:u1:workspaces",
  ]);
});

it("the investor review is a command with its eleven sections, in order", () => {
  const text = readFileSync(".claude/commands/investor-review.md", "utf8");
  expect([...text.matchAll(/^\d+\. \*\*(.+?)\*\*/gm)].map(([, title]) => title)).toEqual([
    "Executive Summary",
    "Problem & Solution",
    "Market Analysis",
    "Product & Technology",
    "Traction & Metrics",
    "Business Model",
    "Go-to-Market Strategy",
    "Team & Advisors",
    "Financials & Projections",
    "Investment Opportunity",
    "Appendix",
  ]);
});
