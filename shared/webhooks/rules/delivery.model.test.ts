import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY_MS } from "../../lib/base/clock.ts";
import { webhookOutcomeOf, unanswered, type WebhookOutcome } from "./answer.ts";
import {
  claimDelivery,
  DELIVERY_LEASE_MS,
  replayDelivery,
  settleDelivery,
  type DeliveryState,
} from "./delivery.ts";
import { MAX_ATTEMPTS, MAX_RETRY_AFTER_MS, PATIENCE_MS, retryWaitMs } from "./retry-schedule.ts";

const fresh = (now: number): DeliveryState => ({
  status: "pending",
  generation: 1,
  attempts: 0,
  firstAt: null,
  dueAt: now,
});

const outcomes = fc.oneof(
  fc.constantFrom<WebhookOutcome>(
    unanswered("deadline"),
    unanswered("connection"),
    webhookOutcomeOf(200, null, 0),
    webhookOutcomeOf(302, null, 0),
    webhookOutcomeOf(410, null, 0),
    webhookOutcomeOf(500, null, 0),
  ),
  fc
    .tuple(fc.constantFrom(429, 503, 500), fc.nat(10 * 86_400))
    .map(([status, seconds]) => webhookOutcomeOf(status, String(seconds), 0)),
);
const step = fc.record({
  waitMs: fc.constantFrom(0, 1_000, 600_000, 3_600_000, 6 * 3_600_000, DAY_MS),
  do: fc.oneof(
    { arbitrary: outcomes.map((one) => ({ call: one })), weight: 8 },
    { arbitrary: fc.constant("crash" as const), weight: 1 },
    { arbitrary: fc.constant("replay" as const), weight: 1 },
  ),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});

/** One step of a history. @returns the delivery after it, and what was wrong */
function take(
  delivery: DeliveryState,
  { do: what, random }: { do: { call: WebhookOutcome } | "crash" | "replay"; random: number },
  now: number,
): { next: DeliveryState; wrong: string[] } {
  const wrong: string[] = [];
  const check = (text: string, isRight: boolean): void => void (isRight || wrong.push(text));
  const hasEnded = delivery.status === "dead" || delivery.status === "delivered";
  if (what === "replay") {
    const replayed = replayDelivery(delivery, now);
    check("only what has ended is replayed", (replayed !== null) === hasEnded);
    return { next: replayed ?? delivery, wrong };
  }
  const claimed = claimDelivery(delivery, { token: "t", now });
  const isDue = delivery.status === "pending" && delivery.dueAt <= now;
  check("what is due is claimed, and nothing else", (claimed !== null) === isDue);
  if (claimed?.status !== "delivering") return { next: delivery, wrong };
  check(
    "nothing is claimed twice",
    claimDelivery(claimed, { token: "u", now: now + DAY_MS }) === null,
  );
  const outcome = what === "crash" ? unanswered("lease-expired") : what.call;
  const at = what === "crash" ? now + DELIVERY_LEASE_MS : now;
  const firstAt = claimed.firstAt ?? now;
  const next = settleDelivery({ ...claimed, firstAt }, outcome, { now: at, random });
  check("the generation stays", next.generation === claimed.generation);
  check("attempts are limited", next.attempts <= MAX_ATTEMPTS);
  check("only a 2xx is success", (next.status === "delivered") === (outcome.kind === "delivered"));
  if (next.status === "dead") {
    check("it dies of 410", (next.reason === "gone") === (outcome.kind === "gone"));
    check("or of the last attempt", next.reason === "gone" || next.attempts === MAX_ATTEMPTS);
  }
  if (next.status === "pending") {
    check("the next attempt is later", next.dueAt > at);
    check("and within bounds", next.dueAt - at <= MAX_RETRY_AFTER_MS * 1.2);
  }
  return { next, wrong };
}

describe("a delivery, after any history of calls, crashes and replays", () => {
  it("is delivered only by a 2xx, dies only of 410 or without an attempt left, else is due", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let now = 0;
        let delivery = fresh(now);
        for (const one of steps) {
          now += one.waitMs;
          const { next, wrong } = take(delivery, one, now);
          expect(wrong).toEqual([]);
          delivery = next;
        }
      }),
    );
  });

  it("that asks for more time forever still ends", () => {
    let delivery: DeliveryState = fresh(0);
    const usedUp = new Set<number>();
    for (let calls = 0; calls < 200 && delivery.status === "pending"; calls += 1) {
      const now = delivery.dueAt;
      const claimed = claimDelivery(delivery, { token: "t", now });
      if (claimed?.status !== "delivering") throw new Error("not claimed");
      const firstAt = claimed.firstAt ?? now;
      const busy = webhookOutcomeOf(429, "1800", now);
      delivery = settleDelivery({ ...claimed, firstAt }, busy, { now, random: 0.5 });
      if (now - firstAt < PATIENCE_MS) usedUp.add(delivery.attempts);
    }
    expect([...usedUp]).toEqual([0]);
    expect(delivery).toMatchObject({ status: "dead", reason: "exhausted" });
  });
});

it("retries wait 5 s, 5 min, 30 min, 2 h, 5 h and twice 10 h, over more than a day", () => {
  const waits = Array.from({ length: MAX_ATTEMPTS }, (_, n) => retryWaitMs(n + 1, 0.5, null));
  expect(waits).toEqual([
    5_000,
    300_000,
    1_800_000,
    7_200_000,
    18_000_000,
    36_000_000,
    36_000_000,
    null,
  ]);
  expect(waits.reduce<number>((sum, one) => sum + (one ?? 0), 0)).toBeGreaterThan(DAY_MS);
});

it("jitter moves a wait by a fifth at most, and a Retry-After is its floor", () => {
  expect(retryWaitMs(1, 0, null)).toBe(4_000);
  expect(retryWaitMs(1, 1, null)).toBe(6_000);
  expect(retryWaitMs(1, 0.5, 60_000)).toBe(60_000);
  expect(retryWaitMs(2, 0.5, 60_000)).toBe(300_000);
  expect(retryWaitMs(1, 0.5, 10 * DAY_MS)).toBe(MAX_RETRY_AFTER_MS);
});

it.each([
  [204, null, { kind: "delivered", status: 204 }],
  [301, null, { kind: "failed", why: "redirect", status: 301, retryAfterMs: null }],
  [400, null, { kind: "failed", why: "status", status: 400, retryAfterMs: null }],
  [410, null, { kind: "gone", status: 410 }],
  [429, "7", { kind: "busy", status: 429, retryAfterMs: 7_000 }],
  [429, null, { kind: "failed", why: "status", status: 429, retryAfterMs: null }],
  [503, "nonsense", { kind: "failed", why: "status", status: 503, retryAfterMs: null }],
  [500, "7", { kind: "failed", why: "status", status: 500, retryAfterMs: 7_000 }],
])("status %i with Retry-After %j", (status, retryAfter, expected) => {
  expect(webhookOutcomeOf(status, retryAfter, 0)).toEqual(expected);
});
