import { env, exports } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { operations } from "../../shared/contract/operations.ts";
import { knownNames } from "../../shared/dependencies/dependencies.ts";
import { WATCHDOG_NAME } from "../../shared/schedule/watchdog/rules/rpc.ts";
import { metricOf } from "../../shared/telemetry/rules/metrics.ts";
import { dispatch } from "../../workers/api/dispatch.ts";
import type { ApiEnv } from "../../workers/env.ts";
import { eventually } from "../support/eventually.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { scraped, valueOf } from "../support/scraped.ts";
import { call, callDefective, callWith, deadDatabase } from "./support.ts";

afterEach(() => void vi.restoreAllMocks());

async function scrape(changes: Partial<ApiEnv> = {}): Promise<ReturnType<typeof scraped>> {
  const request = new Request("http://luna.test/metrics", {
    headers: { Authorization: `Bearer ${ADMIN_TOKEN}` },
  });
  const response =
    Object.keys(changes).length === 0
      ? await exports.default.fetch(request)
      : await dispatch(request, { ...env, ...changes });
  expect(response.status).toBe(200);
  expect(response.headers.get("Content-Type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return scraped(await response.text());
}

const never = { getByName: () => new Proxy({}, { get: () => () => new Promise(() => undefined) }) };

describe("GET /metrics", () => {
  it("counts requests by operation, method and status, and their duration", async () => {
    await call("GET", "/api/users/nobody");
    await call("HEAD", "/api/users/nobody");
    await call("GET", "/no-such-path");
    await call("PURGE", "/no-such-path", undefined, { token: null });
    const of = { operation: "getUser", status: "4xx" };
    await eventually(async () => {
      const found = await scrape();
      expect(valueOf(found, "luna_http_requests_total", { ...of, method: "GET" })).toBe(1);
      expect(valueOf(found, "luna_http_requests_total", { ...of, method: "HEAD" })).toBe(1);
      expect(
        valueOf(found, "luna_http_requests_total", {
          operation: "none",
          method: "GET",
          status: "4xx",
        }),
      ).toBe(1);
      expect(
        valueOf(found, "luna_http_requests_total", {
          operation: "none",
          method: "other",
          status: "4xx",
        }),
      ).toBe(1);
      const durations = found.histograms.get("luna_http_request_duration_seconds");
      expect(durations?.find(({ labels }) => labels["operation"] === "getUser")?.count).toBe(2);
      expect(
        Number(valueOf(found, "luna_telemetry_last_report_timestamp_seconds", { worker: "api" })),
      ).toBeGreaterThan(0);
    });
  });

  it("has the sizes of D1 and of the objects that it asks, with the limit that holds", async () => {
    const { meta } = await env.DB.prepare("SELECT 1").run();
    const found = await scrape({ DATABASE_LIMIT_MB: "500" });
    expect(valueOf(found, "luna_database_size_bytes", {})).toBe(meta.size_after);
    expect(valueOf(found, "luna_database_limit_bytes", {})).toBe(500e6);
    for (const object of ["telemetry", "task_watchdog", "circuit_breaker", "cache_tag_index"])
      expect(Number(valueOf(found, "luna_object_size_bytes", { object })), object).toBeGreaterThan(
        4_095,
      );
  });

  it("has no size of an object of a release that does not report it", async () => {
    const inspect = async () => ({ watched: 0, overdue: [], tasks: [] });
    const old = { getByName: () => ({ inspect }) } as unknown as ApiEnv["TASK_WATCHDOG"];
    const found = await scrape({ TASK_WATCHDOG: old });
    expect(valueOf(found, "luna_tasks_watched", {})).toBe(0);
    expect(valueOf(found, "luna_object_size_bytes", { object: "task_watchdog" })).toBeNull();
  });

  it("has the series of each operation, task and Worker before anything is counted", async () => {
    await env.TASK_WATCHDOG.getByName(WATCHDOG_NAME).report([
      { task: "sweep-outbox", dueBy: Date.now() + 60_000 },
    ]);
    const found = await scrape();
    for (const { id: operation, method } of operations)
      expect(
        valueOf(found, "luna_http_requests_total", { operation, method, status: "5xx" }),
        operation,
      ).toBe(0);
    const task = { task: "sweep-outbox" };
    expect(valueOf(found, "luna_task_missed_slots_total", task)).toBe(0);
    expect(valueOf(found, "luna_task_runs_total", { ...task, outcome: "failure" })).toBe(0);
    const neverReported = { worker: "consumer" };
    expect(valueOf(found, "luna_telemetry_last_report_timestamp_seconds", neverReported)).toBe(0);
  });

  it("has only labels of fixed sets, for any request", async () => {
    const odd = [
      "/no-such-path",
      `/${crypto.randomUUID()}`,
      "/api/users/%22,method=%22x%22%7D",
      "/api/admin/alerts/../x",
      "/%00",
      "//",
      "/?a=b",
    ];
    for (const path of odd)
      for (const method of ["GET", "PUT", "PROPFIND", "OPTIONS", "PURGE"])
        await exports.default.fetch(
          new Request(`http://luna.test${path}`, {
            method,
            headers: { Authorization: "Bearer x" },
          }),
        );
    // What an isolate has counted it reports together.
    await call("HEAD", "/openapi.json");
    const found = await eventually(async () => {
      const one = await scrape();
      expect(
        valueOf(one, "luna_http_requests_total", { operation: "getOpenApi", method: "HEAD" }),
      ).toBe(1);
      return one;
    });
    const names: Record<string, readonly string[]> = {
      ...knownNames,
      operation: [...operations.map(({ id }) => id), "none"],
      task: ["sweep-outbox"],
    };
    for (const { name, metrics: series } of found.families.values()) {
      const labels = (metricOf(name) ?? metricOf(name.replace(/_(bucket|sum|count)$/, "")))?.labels;
      for (const [label, value] of series.flatMap((one) => Object.entries(one.labels ?? {}))) {
        if (label === "le") continue;
        const own = labels?.[label];
        const values = typeof own === "object" ? own : names[label];
        expect(values, `${name}, ${label}`).toContain(value);
      }
    }
  });

  it("counts accepted emails, transactions by outcome and uncaught exceptions", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    await call("POST", "/api/emails", { to: "ada@example.com", subject: "Hi", text: "Hi" });
    await call("POST", "/api/users", { userId: "metric", email: "metric@example.com" });
    expect(
      (await call("POST", "/api/users", { userId: "metric", email: "other@example.com" })).status,
    ).toBe(409);
    expect(
      (
        await callWith({ DB: deadDatabase })("POST", "/api/emails", {
          to: "a@example.com",
          subject: "Hi",
          text: "Hi",
        })
      ).status,
    ).toBe(503);
    expect((await callDefective("GET", "/api/admin/alerts")).status).toBe(500);
    await eventually(async () => {
      const found = await scrape();
      const transactions = (outcome: string) =>
        valueOf(found, "luna_database_transactions_total", { outcome });
      expect(valueOf(found, "luna_emails_accepted_total")).toBe(2);
      expect([transactions("committed"), transactions("refused"), transactions("unknown")]).toEqual(
        [2, 1, 1],
      );
      expect(valueOf(found, "luna_uncaught_exceptions_total", { worker: "api" })).toBe(1);
    });
  });

  it("reads what is now from where it is: backlog, dead letters, tasks and breakers", async () => {
    const found = await scrape();
    expect(valueOf(found, "luna_email_backlog", { state: "queued" })).toBeGreaterThan(0);
    expect(valueOf(found, "luna_email_oldest_due_age_seconds")).toBeGreaterThanOrEqual(0);
    expect(valueOf(found, "luna_dead_letters")).toBe(0);
    expect(valueOf(found, "luna_tasks_overdue")).toBe(0);
    expect(
      valueOf(found, "luna_circuit_breaker_state", { dependency: "cache", state: "closed" }),
    ).toBe(1);
    const before = Number(
      valueOf(found, "luna_circuit_breaker_transitions_total", { dependency: "cache" }),
    );
    await call("POST", "/api/admin/circuit-breakers/cache/open", { reason: "a test" });
    const opened = await scrape();
    expect(
      valueOf(opened, "luna_circuit_breaker_state", { dependency: "cache", state: "open" }),
    ).toBe(1);
    expect(valueOf(opened, "luna_circuit_breaker_transitions_total", { dependency: "cache" })).toBe(
      before + 1,
    );
    const of = (what: string, one: typeof opened, labels = {}) =>
      Number(valueOf(one, `luna_circuit_breaker_${what}`, { dependency: "cache", ...labels }));
    expect([of("admitted_share", found), of("next_probe_seconds", found)]).toEqual([1, 0]);
    expect(of("window_calls", found, { outcome: "held" })).toBe(0);
    expect(of("admitted_share", opened)).toBe(0);
    expect(of("next_probe_seconds", opened)).toBeGreaterThan(0);
    await call("POST", "/api/admin/circuit-breakers/cache/reset", { reason: "a test" });
    for (const part of ["telemetry", "breakers", "email", "tasks", "cache"])
      expect(valueOf(opened, "luna_scrape_ok", { part })).toBe(1);
  });

  it.each<[string, Partial<ApiEnv>, string[]]>([
    [
      "telemetry",
      { TELEMETRY: never as unknown as ApiEnv["TELEMETRY"] },
      ["luna_emails_accepted_total", "luna_telemetry_isolates"],
    ],
    [
      "breakers",
      { CIRCUIT_BREAKER: never as unknown as ApiEnv["CIRCUIT_BREAKER"] },
      ["luna_circuit_breaker_state"],
    ],
    ["email", { DB: deadDatabase }, ["luna_email_backlog"]],
    [
      "tasks",
      { TASK_WATCHDOG: never as unknown as ApiEnv["TASK_WATCHDOG"] },
      ["luna_tasks_overdue"],
    ],
    ["cache", { CACHE_TAG_INDEX: never as unknown as ApiEnv["CACHE_TAG_INDEX"] }, []],
  ])("reports that %s does not answer, and all the rest", async (part, changes, missing) => {
    vi.spyOn(console, "error").mockReturnValue();
    vi.spyOn(console, "warn").mockReturnValue();
    const found = await scrape(changes);
    for (const one of ["telemetry", "breakers", "email", "tasks", "cache"])
      expect(valueOf(found, "luna_scrape_ok", { part: one })).toBe(one === part ? 0 : 1);
    for (const name of missing) expect(found.families.has(name)).toBe(false);
    expect(found.families.size).toBeGreaterThan(5);
  });
});

it("what is counted goes to Workers Analytics Engine too, if that is bound", async () => {
  const points: AnalyticsEngineDataPoint[] = [];
  const own = { getByName: (name: string) => env.TELEMETRY.getByName(name) } as ApiEnv["TELEMETRY"];
  const dataset = {
    writeDataPoint: (point: AnalyticsEngineDataPoint) => void points.push(point),
  } as AnalyticsEngineDataset;
  expect(
    (await callWith({ TELEMETRY: own, ANALYTICS: dataset })("GET", "/api/users/nobody")).status,
  ).toBe(404);
  const expected = expect.objectContaining({
    indexes: ["luna_http_requests_total"],
    blobs: ["luna_http_requests_total", "operation=getUser", "method=GET", "status=4xx"],
  });
  await eventually(() => expect(points).toContainEqual(expected));
});

it("no request waits for telemetry, or fails with it", async () => {
  vi.spyOn(console, "warn").mockReturnValue();
  const throwing = {
    getByName: () => {
      throw new Error("down");
    },
  };
  for (const broken of [never, throwing]) {
    expect(
      (
        await callWith({ TELEMETRY: broken as unknown as ApiEnv["TELEMETRY"] })(
          "GET",
          "/api/users/nobody",
        )
      ).status,
    ).toBe(404);
  }
});
