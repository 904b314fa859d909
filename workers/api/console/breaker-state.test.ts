import { describe, expect, it } from "vitest";
import { callsText, nextText, type LiveBreaker } from "./breaker-state.ts";

const closed: LiveBreaker = {
  name: "cache",
  state: "CLOSED",
  override: "none",
  epoch: 1,
  failures: 2,
  calls: 40,
  retryAfterMs: 0,
  windowSeconds: 60,
};

describe("the console shows of a breaker", () => {
  it("the calls of its window, with those that were slow or held back", () => {
    expect(callsText(closed)).toBe("2 failures in 40 calls of the last 60 s.");
    expect(callsText({ ...closed, slowCalls: 3, heldCalls: 7 })).toBe(
      "2 failures in 40 calls of the last 60 s. 3 calls took too long. " +
        "Isolates that pause held back 7 calls.",
    );
  });

  it("that callers ask for different thresholds", () => {
    expect(callsText({ ...closed, thresholdsDiffer: true })).toMatch(/different thresholds/);
  });

  it("the share of the calls that runs in a ramp, and the time of the next probe", () => {
    expect(nextText({ ...closed, state: "HALF_OPEN", rampShare: 0.25 })).toBe(
      "The probe succeeded. 25 % of the calls run.",
    );
    expect(nextText({ ...closed, state: "OPEN", retryAfterMs: 12_000 })).toBe(
      "Next probe in 12 s.",
    );
    expect(nextText(closed)).toBeNull();
  });
});
