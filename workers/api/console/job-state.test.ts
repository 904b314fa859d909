import { describe, expect, it } from "vitest";
import {
  lastAttemptText,
  mayPause,
  jobScheduleText,
  targetText,
  type JobItem,
} from "./job-state.ts";

const task: JobItem = {
  name: "sweep-outbox",
  builtIn: true,
  schedule: { cron: "* * * * *" },
  timeZone: "UTC",
  timeoutMs: 1,
  graceMs: 1,
  overlap: "skip",
  mayPause: false,
  nextAt: "2026-01-01T00:00:00Z",
};
const job: JobItem = {
  name: "report",
  builtIn: false,
  schedule: { cron: "30 2 * * *" },
  timeZone: "Europe/Berlin",
  target: { url: "https://example.com/hook?key=secret" },
  timeoutMs: 1,
  overlap: "skip",
  retries: { max: 1, backoff: "10s" },
  missed: "skip",
  graceMs: 1,
  failures: 0,
  createdAt: "2026-01-01T00:00:00Z",
  updatedAt: "2026-01-01T00:00:00Z",
};

describe("a job in the console", () => {
  it("shows its schedule with its zone, and of a URL only the host", () => {
    expect(jobScheduleText(job)).toBe("30 2 * * *, Europe/Berlin");
    expect(jobScheduleText(task)).toBe("* * * * *");
    expect(jobScheduleText({ ...job, schedule: { every: "90m" } })).toBe("every 90m");
    expect(targetText(job)).toBe("example.com");
    expect(targetText(task)).toBe("built-in task");
    expect(targetText({ ...job, target: { queue: "work" } })).toBe("queue work");
    expect(targetText({ ...job, target: { service: "a", method: "b" } })).toBe("a.b");
  });

  it("can be paused, except a built-in task that repairs or deletes", () => {
    expect([job, task, { ...task, mayPause: true }].map(mayPause)).toEqual([true, false, true]);
  });

  it("shows no attempt as none, and the last of several", () => {
    expect(lastAttemptText({ log: [] })).toBeNull();
    const attempts = [
      { at: "2026-01-01T00:00:00Z", tookMs: 1, outcome: "deadline" },
      { at: "2026-01-01T00:00:00Z", tookMs: 1, outcome: "status", status: 500, answer: "no" },
    ];
    expect(lastAttemptText({ log: attempts })).toBe("status 500: no");
  });
});
