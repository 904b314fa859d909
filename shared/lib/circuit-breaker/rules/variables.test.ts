import { describe, expect, it } from "vitest";
import { defaultSettings } from "./settings.ts";
import { breakerSettings } from "./variables.ts";

const settingsOf = (json: unknown, dependency = "prices") =>
  breakerSettings(
    { BREAKER_FAILURES: "7", BREAKER_DEPENDENCIES: JSON.stringify(json) },
    dependency,
  );

describe("the settings of one dependency", () => {
  it("replace those of all, where they are given", () => {
    const json = { prices: { failures: 10, failureRatio: 0.2, slowRatio: 1, openSeconds: 5 } };
    expect(settingsOf(json)).toEqual({
      ok: true,
      value: {
        ...defaultSettings,
        failures: 10,
        failureRatio: 0.2,
        slowRatio: 1,
        openMs: 5_000,
      },
    });
    expect(settingsOf(json, "stock")).toMatchObject({ value: { failures: 7, openMs: 30_000 } });
    expect(settingsOf(json, "constructor")).toMatchObject({ value: { failures: 7 } });
  });

  it("come before those of all, which come before what a caller asks for", () => {
    const asked = { failures: 3, openMs: 9_000, windowMs: 10_000 };
    const env = {
      BREAKER_FAILURES: "7",
      BREAKER_DEPENDENCIES: JSON.stringify({ prices: { openSeconds: 5 } }),
    };
    expect(breakerSettings(env, "prices", asked)).toMatchObject({
      value: { failures: 7, openMs: 5_000, windowMs: 10_000, failureRatio: 0.5 },
    });
  });

  it.each([
    [{ prices: { failures: 0 } }, "prices.failures must be at least 1"],
    [{ prices: { failures: 1.5 } }, "prices.failures must be a whole number"],
    [{ prices: { failureRatio: 2 } }, "prices.failureRatio must be a number from 0 to 1"],
    [{ prices: { openSeconds: 301 } }, "prices.openSeconds must be at most 300"],
    [{ prices: { seconds: 3 } }, "prices.seconds is no setting, or its value is no object"],
    [{ prices: 3 }, "prices is no setting, or its value is no object"],
    [[], "must be an object"],
  ])("are refused by name: %j", (json, message) => {
    expect(settingsOf(json)).toMatchObject({
      ok: false,
      error: { variable: "BREAKER_DEPENDENCIES", message },
    });
  });

  it("are refused if they are no JSON", () => {
    expect(breakerSettings({ BREAKER_DEPENDENCIES: "{" }, "prices")).toMatchObject({
      error: { variable: "BREAKER_DEPENDENCIES", message: "must be JSON" },
    });
  });
});
