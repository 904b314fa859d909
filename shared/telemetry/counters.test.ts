import { describe, expect, it } from "vitest";
import { Counters } from "./counters.ts";
import { metrics } from "./rules/metrics.ts";
import { parseSeries, SERIES, seriesOf } from "./rules/series.ts";

describe("an isolate's counters", () => {
  it("count by labels", () => {
    const counters = new Counters();
    counters.count("luna_email_attempts_total", { transport: "smtp", outcome: "accepted" });
    counters.count("luna_email_attempts_total", { transport: "smtp", outcome: "accepted" }, 2);
    counters.count("luna_emails_accepted_total", {});
    expect(counters.totals()).toEqual({
      "luna_email_attempts_total{transport=smtp,outcome=accepted}": 3,
      luna_emails_accepted_total: 1,
    });
  });

  it("observe into the bucket of the first bound that is not lower, and add to the sum", () => {
    const counters = new Counters();
    for (const ms of [5, 5.4, 6, 9_999, 10_001])
      counters.observe("luna_http_request_duration_seconds", { operation: "getUser" }, ms);
    counters.observe("luna_email_attempts", {}, 5);
    counters.observe("luna_email_queue_age_seconds", {}, -3);
    expect(counters.totals()).toEqual({
      "luna_http_request_duration_seconds_bucket{operation=getUser,le=0.005}": 2,
      "luna_http_request_duration_seconds_bucket{operation=getUser,le=0.01}": 1,
      "luna_http_request_duration_seconds_bucket{operation=getUser,le=10}": 1,
      "luna_http_request_duration_seconds_bucket{operation=getUser,le=+Inf}": 1,
      "luna_http_request_duration_seconds_sum{operation=getUser}": 20_016,
      "luna_email_attempts_bucket{le=8}": 1,
      luna_email_attempts_sum: 5,
      "luna_email_queue_age_seconds_bucket{le=1}": 1,
      luna_email_queue_age_seconds_sum: 0,
    });
  });

  it("have a limit of series; counts beyond it are counted as dropped", () => {
    const counters = new Counters(3);
    for (let n = 0; n < 5; n += 1)
      counters.count("luna_task_missed_slots_total", { task: `task-${n}` });
    counters.count("luna_task_missed_slots_total", { task: "task-0" });
    expect(counters.totals()).toEqual({
      "luna_task_missed_slots_total{task=task-0}": 2,
      "luna_task_missed_slots_total{task=task-1}": 1,
      "luna_task_missed_slots_total{task=task-2}": 1,
      luna_telemetry_dropped_total: 2,
    });
  });
});

describe("the name of a series", () => {
  it("is parsed as it was written, with any characters in its labels", () => {
    const odd = seriesOf("luna_x_total", { task: `a,b={}"\n${"x".repeat(100)}`, le: "+Inf" });
    expect(odd).toMatch(SERIES);
    expect(parseSeries(odd)).toEqual({
      name: "luna_x_total",
      labels: { task: expect.stringMatching(/^a_b_____x{56}$/), le: "+Inf" },
    });
    expect(parseSeries("cache.hitsL1")).toEqual({ name: "cache.hitsL1", labels: {} });
  });

  it("is valid in a report for every metric, with labels of the greatest length", () => {
    for (const [name, { labels }] of Object.entries(metrics)) {
      const longest = Object.fromEntries(
        Object.keys(labels).map((label) => [label, "x".repeat(64)]),
      );
      expect(seriesOf(`${name}_bucket`, { ...longest, le: "+Inf" })).toMatch(SERIES);
    }
  });
});
