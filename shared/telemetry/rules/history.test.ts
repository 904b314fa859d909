import { describe, expect, it } from "vitest";
import { chartNames, chartsFrom, countsOf, reportedSteps, startOf } from "./history.ts";

const MINUTE_MS = 60_000;

describe("what a report adds to the charts", () => {
  it("depends on the series; series without a chart are left out", () => {
    expect(
      countsOf({
        "luna_http_requests_total{operation=getUser,method=GET,status=2xx}": 5,
        "luna_http_requests_total{operation=none,method=other,status=5xx}": 2,
        "luna_http_request_duration_seconds_bucket{operation=getUser,le=0.1}": 4,
        "luna_http_request_duration_seconds_bucket{operation=getMe,le=0.1}": 1,
        "luna_http_request_duration_seconds_sum{operation=getUser}": 300,
        "cache.hitsL1": 3,
        "cache.hitsStale": 1,
        "cache.misses": 1,
        "cache.corrupt": 1,
        "cache.loads": 9,
        luna_emails_accepted_total: 2,
        "luna_email_attempts_total{transport=smtp,outcome=accepted}": 2,
        "luna_emails_settled_total{status=sent}": 1,
        "luna_emails_settled_total{status=unknown}": 1,
        "luna_emails_settled_total{status=dead}": 1,
        "luna_task_runs_total{task=sweep-outbox,outcome=failure}": 1,
        "of.another.release": 1,
      }),
    ).toEqual({
      requests: 7,
      errors5xx: 2,
      "latency:0.1": 5,
      cacheHits: 4,
      cacheMisses: 1,
      cacheErrors: 1,
      emailsAccepted: 2,
      emailAttempts: 2,
      emailsSent: 1,
      emailsDead: 1,
      taskRuns: 1,
      taskFailures: 1,
    });
  });
});

describe("the charts", () => {
  it("have a point per step, oldest first, and zero for steps without counts", () => {
    const from = startOf(1_700_000_000_000, MINUTE_MS);
    const points = [
      { at: from, counts: { requests: 1 } },
      { at: from + 2 * MINUTE_MS, counts: { requests: 3, errors5xx: 1 } },
      { at: from - MINUTE_MS, counts: { requests: 99 } },
    ];
    const charts = chartsFrom(points, from, MINUTE_MS, 4);
    expect(charts).toMatchObject({
      requests: [1, 0, 3, 0],
      errors5xx: [0, 0, 1, 0],
      requestLatencyP50Ms: [null, null, null, null],
    });
    expect(Object.keys(charts)).toEqual([
      ...chartNames,
      "requestLatencyP50Ms",
      "requestLatencyP99Ms",
      "requestLatencyP50Range",
      "requestLatencyP99Range",
    ]);
    expect(new Set(Object.values(charts).map(({ length }) => length))).toEqual(new Set([4]));
  });

  it("mark the steps in which nothing was reported", () => {
    const points = [1, 3].map((n) => ({ at: n * MINUTE_MS, counts: { taskRuns: 1 } }));
    expect(reportedSteps(points, 0, MINUTE_MS, 5)).toEqual([false, true, false, true, false]);
  });

  it.each([
    [{ "latency:2.5": 1 }, { fromMs: 1_000, toMs: 2_500 }],
    [{ "latency:0.005": 1 }, { fromMs: 0, toMs: 5 }],
    [{ "latency:+Inf": 1 }, { fromMs: 10_000, toMs: null }],
    [{}, null],
  ])("have the range of the latencies of %j, which is all that was measured", (counts, range) => {
    const charts = chartsFrom([{ at: 0, counts }], 0, MINUTE_MS, 1);
    expect([charts.requestLatencyP50Range, charts.requestLatencyP99Range]).toEqual([
      [range],
      [range],
    ]);
  });

  it.each([
    // Ten between 50 and 100 ms: half of them below the middle.
    [{ "latency:0.1": 10 }, 75, 99.5],
    [{ "latency:0.005": 98, "latency:1": 2 }, 2.6, 750],
    // A quantile above the last bound is reported as that bound.
    [{ "latency:+Inf": 3 }, 10_000, 10_000],
  ])("estimate the latencies of %j as %d and %d ms", (counts, p50, p99) => {
    const charts = chartsFrom([{ at: 0, counts }], 0, MINUTE_MS, 1);
    expect([charts.requestLatencyP50Ms, charts.requestLatencyP99Ms]).toEqual([[p50], [p99]]);
  });
});
