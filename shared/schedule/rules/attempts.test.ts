import { describe, expect, it } from "vitest";
import { mayPass, nextAttemptMs } from "./attempts.ts";

describe("a failed attempt", () => {
  it("is followed by another after 1, 2, 4, 8 s and then every 15 s, with a fifth more or less", () => {
    const waits = (random: number) =>
      [1, 2, 3, 4, 5, 6].map((failures) => nextAttemptMs({ failures, until: Infinity }, 0, random));
    expect(waits(0.5)).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    expect(waits(0)[0]).toBe(800);
  });

  it("is the last if another would have less than two seconds", () => {
    expect(nextAttemptMs({ failures: 1, until: 3_000 }, 0, 0.5)).toBe(1_000);
    expect(nextAttemptMs({ failures: 1, until: 2_999 }, 0, 0.5)).toBeNull();
    expect(nextAttemptMs({ failures: 1, until: 0 }, 5_000, 0.5)).toBeNull();
  });

  it.each([
    new Error("D1_ERROR: Network connection lost."),
    new Error("D1_ERROR: database is locked: SQLITE_BUSY"),
    new Error("internal error; reference = 0123"),
    new DOMException("no answer within 5000 ms", "TimeoutError"),
    Object.assign(new Error("the object was reset"), { retryable: true }),
    new Error("Queue sendBatch failed: Service Unavailable"),
    // What the sweep of the outbox throws: its steps fail apart.
    new AggregateError(
      [new TypeError("a defect"), new Error("D1_ERROR: Network connection lost.")],
      "sweep: a defect; D1_ERROR: Network connection lost.",
    ),
  ])("may pass: %s", (error) => {
    expect(mayPass(error)).toBe(true);
  });

  it.each([
    new Error("D1_ERROR: no such table: emails: SQLITE_ERROR"),
    new Error("Queue sendBatch failed: Bad Request"),
    new TypeError("undefined is not a function"),
    new AggregateError([new TypeError("a defect"), "a text"], "sweep: a defect; a text"),
    new Error("EMAIL_FROM is not set"),
    "a text",
    undefined,
  ])("does not pass: %s", (error) => {
    expect(mayPass(error)).toBe(false);
  });
});
