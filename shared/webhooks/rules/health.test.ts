import { describe, expect, it } from "vitest";
import { DAY_MS } from "../../lib/base/clock.ts";
import { webhookOutcomeOf, unanswered } from "./answer.ts";
import { afterCall, healthy, speedOf, MAX_FAILING_MS, type EndpointHealth } from "./health.ts";

const failed = unanswered("connection");
const fail = (health: EndpointHealth, now: number) =>
  afterCall(health, { outcome: failed, tookMs: 1 }, { now, random: 0.5 });

describe("an endpoint that fails", () => {
  it("gets one call at a time on the slow queue, and from the third failure on a wait", () => {
    let health = healthy;
    const waits: (number | null)[] = [];
    for (let n = 0; n < 12; n += 1) {
      ({ health } = fail(health, 0));
      waits.push(health.notBefore);
      expect(speedOf(health)).toBe("slow");
    }
    expect(waits.slice(0, 5)).toEqual([null, null, 5_000, 10_000, 20_000]);
    expect(waits.at(-1)).toBe(300_000);
  });

  it("is paused once it has failed for five days, and not before", () => {
    const first = fail(healthy, 0).health;
    expect(fail(first, MAX_FAILING_MS - 1).pause).toBeNull();
    expect(fail(first, MAX_FAILING_MS).pause).toBe("failing");
  });

  it("is healthy after one success, and its five days begin again", () => {
    const first = fail(healthy, 0).health;
    const delivered = { outcome: webhookOutcomeOf(200, null, 0), tookMs: 10 };
    const recovered = afterCall(first, delivered, { now: 4 * DAY_MS, random: 0.5 });
    expect(recovered).toEqual({ health: healthy, pause: null });
    expect(fail(recovered.health, 6 * DAY_MS).pause).toBeNull();
  });
});

it("an endpoint that answers 410 is paused at once", () => {
  const gone = { outcome: webhookOutcomeOf(410, null, 0), tookMs: 10 };
  expect(afterCall(healthy, gone, { now: 0, random: 0.5 }).pause).toBe("gone");
});

it("an endpoint that asks for more time is left alone for it, and has not failed", () => {
  const busy = { outcome: webhookOutcomeOf(429, "60", 0), tookMs: 10 };
  const { health, pause } = afterCall(healthy, busy, { now: 0, random: 0.5 });
  expect(pause).toBeNull();
  expect(health).toEqual({ ...healthy, notBefore: 61_000 });
});

it("a slow answer moves an endpoint to the slow queue, a fast one back", () => {
  const answered = (tookMs: number) =>
    afterCall(healthy, { outcome: webhookOutcomeOf(200, null, 0), tookMs }, { now: 0, random: 0.5 })
      .health;
  expect(speedOf(answered(2_001))).toBe("slow");
  expect(speedOf(answered(2_000))).toBe("fast");
});
