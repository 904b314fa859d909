import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  notificationDelaySeconds,
  retryDelayMs,
  nextNotificationAt,
  type RetryPolicy,
} from "./retry-policy.ts";

const policy: RetryPolicy = { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 };
const noJitter = 0.5;
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("the delay before a retry", () => {
  it("is 1, 2 and 4 s by default", () => {
    expect([1, 2, 3].map((retry) => retryDelayMs(policy, retry, noJitter))).toEqual([
      1_000, 2_000, 4_000,
    ]);
  });

  it("stops growing at the maximum", () => {
    expect(retryDelayMs(policy, 7, noJitter)).toBe(60_000);
    expect(retryDelayMs(policy, 2_000, noJitter)).toBe(60_000);
  });

  it("stays within a fifth of the backoff, for each random number", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), random, (retry, chance) => {
        const backoffMs = Math.min(1_000 * 2 ** (retry - 1), 60_000);
        const delayMs = retryDelayMs(policy, retry, chance);
        expect(delayMs).toBeGreaterThanOrEqual(Math.round(backoffMs * 0.8));
        expect(delayMs).toBeLessThanOrEqual(Math.round(backoffMs * 1.2));
      }),
    );
  });

  it("is never shorter than the provider's Retry-After, which counts for a day at most", () => {
    expect(retryDelayMs(policy, 1, noJitter, 90_000)).toBe(90_000);
    expect(retryDelayMs(policy, 1, noJitter, 10)).toBe(1_000);
    expect(retryDelayMs(policy, 1, noJitter, Number.MAX_SAFE_INTEGER)).toBe(86_400_000);
    expect(retryDelayMs(policy, 1, noJitter, -5)).toBe(1_000);
  });
});

describe("a notification's delay", () => {
  it("never notifies before the email is due, unless the wait is longer than a queue can hold", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 41 }),
        fc.integer({ min: -100_000, max: 43_200_000 }),
        (now, waitMs) => {
          const delaySeconds = notificationDelaySeconds(now + waitMs, now);
          expect(delaySeconds * 1_000).toBeGreaterThanOrEqual(waitMs);
          expect(delaySeconds).toBeGreaterThanOrEqual(0);
        },
      ),
    );
    expect(notificationDelaySeconds(90_000_000, 0)).toBe(43_200);
  });
});

describe("the sweeper", () => {
  it("notifies a minute after the email was due, then after twice as long each time", () => {
    expect([0, 1, 2, 3].map((notified) => nextNotificationAt(0, 0, notified))).toEqual([
      60_000, 120_000, 240_000, 480_000,
    ]);
    expect(nextNotificationAt(5_000, 1_000, 0)).toBe(65_000);
    expect(nextNotificationAt(0, 0, 1_000)).toBe(960_000);
  });
});
