import { expect, it } from "vitest";
import { heartbeatState, pingState, scheduleIn, scheduleText } from "./heartbeat-state.ts";

const since = "2026-11-30T00:00:00.000Z";

it.each([
  [{ status: "new" }, "idle", "new"],
  [{ status: "up" }, "good", "up"],
  [{ status: "late" }, "warn", "late"],
  [{ status: "down", down: { since, because: "failed" } }, "bad", "down: it failed"],
  [{ status: "down" }, "bad", "down"],
  [{ status: "paused" }, "idle", "paused"],
  [{ status: "unknown" }, "idle", "unknown: its object does not answer"],
] as const)("the heartbeat %j is shown as %s: %s", (heartbeat, tone, text) => {
  expect(heartbeatState(heartbeat)).toEqual({ tone, text });
});

it.each([
  [{ kind: "success" }, "good", "success"],
  [{ kind: "success", exitStatus: 0 }, "good", "success (0)"],
  [{ kind: "fail", exitStatus: 3 }, "bad", "failure (3)"],
  [{ kind: "start" }, "idle", "start"],
] as const)("the ping %j is shown as %s: %s", (ping, tone, text) => {
  expect(pingState(ping)).toEqual({ tone, text });
});

it.each([
  ["1h", "", { every: "1h" }, "every 1h"],
  ["0 3 * * *", "", { cron: "0 3 * * *" }, "0 3 * * * UTC"],
  [
    " 0 3 * * * ",
    "Europe/Berlin ",
    { cron: "0 3 * * *", timeZone: "Europe/Berlin" },
    "0 3 * * * Europe/Berlin",
  ],
])("the schedule in %j with the zone %j is %j", (text, zone, schedule, shown) => {
  expect(scheduleIn(text, zone)).toEqual(schedule);
  expect(scheduleText(schedule)).toBe(shown);
});
