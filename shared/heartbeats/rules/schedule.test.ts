import fc from "fast-check";
import * as v from "valibot";
import { expect, it } from "vitest";
import { runs, seed } from "../../../test/support/seed.ts";
import { heartbeatSchedule, nextPingAt } from "./schedule.ts";

it.each([
  [{ every: "60s" }],
  [{ every: "365d" }],
  [{ cron: "0 3 * * *" }],
  [{ cron: "30 2 * * 1-5", timeZone: "Europe/Berlin" }],
])("%j is a schedule", (schedule) => {
  expect(v.parse(heartbeatSchedule, schedule)).toEqual(schedule);
});

it.each([
  [{}],
  [{ every: "59s" }],
  [{ every: "366d" }],
  [{ every: "1 h" }],
  [{ every: "60s", cron: "* * * * *" }],
  [{ every: "60s", timeZone: "UTC" }],
  [{ cron: "0 3 * * * *" }],
  [{ cron: "0 0 30 2 *" }],
  [{ cron: "not a schedule" }],
  [{ cron: "* * * * *", timeZone: "Mars/Olympus" }],
  [{ cron: "* * * * *", more: 1 }],
])("%j is refused", (schedule) => {
  expect(v.is(heartbeatSchedule, schedule)).toBe(false);
});

it("a cron expression follows the clock of its zone through the hour that it skips", () => {
  const daily = { cron: "0 9 * * *", timeZone: "Europe/Berlin" };
  const winter = nextPingAt(daily, Date.parse("2026-03-28T00:00:00Z"));
  expect(new Date(winter).toISOString()).toBe("2026-03-28T08:00:00.000Z");
  expect(new Date(nextPingAt(daily, winter)).toISOString()).toBe("2026-03-29T07:00:00.000Z");
});

it("the next ping is always expected after the last one", () => {
  const schedule = fc.oneof(
    fc.integer({ min: 1, max: 8_760 }).map((hours) => ({ every: `${hours}h` })),
    fc.record({
      cron: fc.constantFrom("* * * * *", "0 3 * * *", "15 */6 * * 1-5", "0 0 29 2 *"),
      timeZone: fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia"),
    }),
  );
  const times = fc.integer({ min: Date.UTC(2020), max: Date.UTC(2040) });
  fc.assert(
    fc.property(schedule, times, (given, after) => {
      expect(nextPingAt(given, after)).toBeGreaterThan(after);
    }),
    { seed, numRuns: Math.min(runs, 300) },
  );
});
