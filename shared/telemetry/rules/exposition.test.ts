import { describe, expect, it } from "vitest";
import { scraped, valueOf } from "../../../test/support/scraped.ts";
import { Counters } from "../counters.ts";
import { exposition } from "./exposition.ts";
import { metrics, type Metric } from "./metrics.ts";

describe("a scrape", () => {
  it("has counters, gauges and cumulative histograms in base units", () => {
    const counters = new Counters();
    counters.count(
      "luna_http_requests_total",
      { operation: "getUser", method: "GET", status: "2xx" },
      3,
    );
    for (const ms of [4, 90, 90, 60_000])
      counters.observe("luna_http_request_duration_seconds", { operation: "getUser" }, ms);
    const scrape = scraped(
      exposition(counters.totals(), [
        {
          name: "luna_circuit_breaker_state",
          labels: { dependency: "email:smtp", state: "open" },
          value: 1,
        },
      ]),
    );
    expect(
      valueOf(scrape, "luna_http_requests_total", {
        operation: "getUser",
        method: "GET",
        status: "2xx",
      }),
    ).toBe(3);
    expect(
      valueOf(scrape, "luna_circuit_breaker_state", { dependency: "email:smtp", state: "open" }),
    ).toBe(1);
    expect(scrape.histograms.get("luna_http_request_duration_seconds")).toEqual([
      {
        labels: { operation: "getUser" },
        buckets: expect.objectContaining({ "0.005": 1, "0.05": 1, "0.1": 3, "10": 3, "+Inf": 4 }),
        count: 4,
        sum: 60.184,
      },
    ]);
  });

  it("has zeros for series without counts, so that their first count is an increase", () => {
    const scrape = scraped(exposition({}, []));
    expect(valueOf(scrape, "luna_uncaught_exceptions_total", { worker: "cron" })).toBe(0);
    expect(valueOf(scrape, "luna_database_transactions_total", { outcome: "unknown" })).toBe(0);
    expect(scrape.histograms.get("luna_email_attempts")).toMatchObject([{ count: 0, sum: 0 }]);
    expect(scrape.families.has("luna_task_runs_total")).toBe(false);
  });

  it("has no counters if they could not be read: zeros would look like a reset", () => {
    const scrape = scraped(
      exposition(null, [{ name: "luna_scrape_ok", labels: { part: "telemetry" }, value: 0 }]),
    );
    expect([...scrape.families.keys()]).toEqual(["luna_scrape_ok"]);
  });

  it("counts each read of the cache once, by its source", () => {
    const scrape = scraped(
      exposition(
        {
          "cache.hitsL1": 10,
          "cache.hitsL2": 5,
          "cache.hitsStale": 2,
          "cache.misses": 9,
          "cache.staleOnError": 1,
          "cache.fallbacks": 2,
          "cache.unanswered": 3,
          "cache.kvErrors": 4,
        },
        [],
      ),
    );
    const tiers = scrape.families
      .get("luna_cache_reads_total")
      ?.metrics.filter(({ labels }) => labels?.["worker"] === undefined)
      .map(({ labels, value }) => [labels?.["tier"], Number(value)]);
    expect(Object.fromEntries(tiers ?? [])).toEqual({
      l1: 10,
      l2: 5,
      stale: 2,
      stale_on_error: 1,
      miss: 3,
      fallback: 2,
      unanswered: 3,
    });
    const errors = scrape.families
      .get("luna_cache_errors_total")
      ?.metrics.filter(({ labels }) => labels?.["kind"] === "kv")
      .reduce((sum, { value }) => sum + Number(value), 0);
    expect(errors).toBe(4);
  });

  it("leaves out unknown series, and moves unknown bounds to the next higher one", () => {
    const scrape = scraped(
      exposition(
        {
          "luna_of_tomorrow_total{what=else}": 7,
          "luna_http_request_duration_seconds_bucket{operation=getMe,le=0.07}": 2,
          "luna_http_request_duration_seconds_sum{operation=getMe}": 120,
          "luna_database_transactions_total{outcome=rolled-forward}": 1,
        },
        [],
      ),
    );
    expect([...scrape.families.keys()]).not.toContain("luna_of_tomorrow_total");
    expect(scrape.histograms.get("luna_http_request_duration_seconds")?.[0]?.buckets).toMatchObject(
      { "0.05": 0, "0.1": 2 },
    );
    expect(valueOf(scrape, "luna_database_transactions_total", { outcome: "rolled-forward" })).toBe(
      1,
    );
  });

  it("escapes label values", () => {
    const text = exposition(null, [
      { name: "luna_scrape_ok", labels: { part: 'a"b\\c\nd' }, value: 1 },
    ]);
    expect(text).toContain(String.raw`luna_scrape_ok{part="a\"b\\c\nd"} 1`);
  });

  it("has every metric, under a name that fits its kind", () => {
    for (const [name, metric] of Object.entries(metrics) as [string, Metric][]) {
      expect(name).toMatch(/^luna_[a-z0-9_]+$/);
      expect(name.endsWith("_total")).toBe(metric.kind === "counter");
      expect(metric.help).toMatch(/^[A-Z0-9].*\.$/);
    }
  });
});
