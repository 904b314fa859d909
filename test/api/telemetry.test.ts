import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import type { ApiEnv } from "../../workers/env.ts";
import { eventually } from "../support/eventually.ts";
import { call, callWith } from "./support.ts";

let next = 0;
const newObject = () => env.TELEMETRY.getByName(`telemetry-${(next += 1)}`);

describe("the fleet's counters", () => {
  it("are the sums over all isolates and their reports, and outlive an eviction", async () => {
    const object = newObject();
    await object.report({ isolate: "a", totals: { "cache.hitsL1": 5, "cache.misses": 1 } });
    await object.report({ isolate: "b", totals: { "cache.hitsL1": 10 } });
    await object.report({ isolate: "a", totals: { "cache.hitsL1": 7 } });
    await object.report({ isolate: "a", totals: { "cache.hitsL1": 7 } });
    await evictDurableObject(object);
    // An older report that comes late takes nothing away.
    await object.report({ isolate: "a", totals: { "cache.hitsL1": 2 } });
    expect(await object.totals()).toEqual({ "cache.hitsL1": 17, "cache.misses": 1 });
  });

  it("keep what isolates counted that have ended, in one row a counter", async () => {
    const object = newObject();
    for (let n = 0; n < 50; n += 1)
      await object.report({ isolate: `ended-${n}`, totals: { reads: 2 } });
    await runInDurableObject(object, (instance) => {
      instance.clock = () => Date.now() + 3 * 3_600_000;
    });
    await object.report({ isolate: "living", totals: { reads: 1 } });
    await object.report({ isolate: "living", totals: { reads: 3 } });
    expect(await object.totals()).toEqual({ reads: 103 });
    const isolates = await runInDurableObject(
      object,
      (_, { storage }) => storage.sql.exec("SELECT id FROM isolates").toArray().length,
    );
    expect(isolates).toBe(1);
  });

  it.each([
    [{ isolate: "", totals: {} }, "isolate"],
    [{ isolate: "a", totals: { "no name!": 1 } }, "totals"],
    [{ isolate: "a", totals: { reads: -1 } }, "totals.reads"],
    [{ isolate: "a", totals: { reads: 0.5 } }, "totals.reads"],
    [
      {
        isolate: "a",
        totals: Object.fromEntries(Array.from({ length: 2_501 }, (_, n) => [`n${n}`, 1])),
      },
      "totals",
    ],
  ])("refuse %j by the name of the field, and count nothing", async (report, field) => {
    const object = newObject();
    const refused = await object.report(report);
    expect(refused).toMatchObject({ ok: false, error: { tag: "invalid" } });
    expect(JSON.stringify(refused)).toContain(`"path":"${field}`);
    expect(await object.totals()).toEqual({});
  });
});

describe("the history", () => {
  const MINUTE_MS = 60_000;
  const requests = (n: number) => ({
    "luna_http_requests_total{operation=getUser,method=GET,status=2xx}": n,
  });
  const at = async (object: ReturnType<typeof newObject>, now: number): Promise<void> =>
    await runInDurableObject(object, (instance) => {
      instance.clock = () => now;
    });

  it("is the counters' growth per minute and hour, also for late reports", async () => {
    const object = newObject();
    const start = Math.floor(Date.now() / 3_600_000) * 3_600_000;
    await at(object, start);
    await object.report({ isolate: "a", totals: requests(5) });
    await object.report({ isolate: "b", totals: requests(1) });
    await at(object, start + MINUTE_MS);
    await object.report({ isolate: "a", totals: requests(5) });
    await object.report({ isolate: "a", totals: requests(7) });
    await object.report({ isolate: "a", totals: requests(2) });
    await evictDurableObject(object);
    expect(await object.points({ stepMs: MINUTE_MS, from: start })).toEqual({
      ok: true,
      value: [
        { at: start, counts: { requests: 6 } },
        { at: start + MINUTE_MS, counts: { requests: 2 } },
      ],
    });
    expect(await object.points({ stepMs: 3_600_000, from: start })).toEqual({
      ok: true,
      value: [{ at: start, counts: { requests: 8 } }],
    });
  });

  it("keeps minutes for a day and hours for thirty", async () => {
    const object = newObject();
    const start = Math.floor(Date.now() / 3_600_000) * 3_600_000;
    const days = (n: number): number => start + n * 24 * 60 * MINUTE_MS;
    for (const [n, day] of [0, 1.5, 29, 31].entries()) {
      await at(object, days(day));
      await object.report({ isolate: `day-${n}`, totals: requests(n + 1) });
    }
    const kept = async (stepMs: 60_000 | 3_600_000) => {
      const points = await object.points({ stepMs, from: 0 });
      return points.ok && points.value.map((point) => point.at);
    };
    expect(await kept(60_000)).toEqual([days(31)]);
    expect(await kept(3_600_000)).toEqual([days(1.5), days(29), days(31)]);
    expect(await object.totals()).toEqual(requests(10));
  });

  it("refuses a step that is not kept, by the name of the field", async () => {
    expect(await newObject().points({ stepMs: 1_000 as 60_000, from: 0 })).toMatchObject({
      ok: false,
      error: { tag: "invalid", errors: [{ path: "stepMs" }] },
    });
  });
});

describe("GET /api/admin/telemetry", () => {
  it("shows the last hour by minutes; earlier requests are in it a few seconds later", async () => {
    await call("GET", "/api/users/nobody");
    await eventually(async () => {
      const { status, body } = await call("GET", "/api/admin/telemetry");
      expect(status).toBe(200);
      expect(body.series.requests).toHaveLength(60);
      expect(body.series.requests.some((count: number | null) => (count ?? 0) > 0)).toBe(true);
      expect(
        body.series.requestLatencyP50Ms.some((latency: number | null) => latency !== null),
      ).toBe(true);
      expect(Date.parse(body.from) % 60_000).toBe(0);
      expect(body.reported).toHaveLength(60);
      // Nothing was reported before this Luna existed.
      expect(body.reported[0]).toBe(false);
      expect(body.reported.slice(-2)).toContain(true);
      expect(Date.now() - (Date.parse(body.from) + 59 * 60_000)).toBeLessThan(120_000);
    });
  });

  it("shows hours on request, and refuses an invalid number of steps", async () => {
    const { body } = await call("GET", "/api/admin/telemetry?hours=720");
    expect(body).toMatchObject({ stepSeconds: 3_600 });
    expect(body.series.taskRuns).toHaveLength(720);
    for (const query of [
      "minutes=0",
      "minutes=1441",
      "hours=721",
      "hours=1.5",
      "minutes=1&hours=1",
      "days=1",
    ]) {
      expect((await call("GET", `/api/admin/telemetry?${query}`)).status).toBe(422);
    }
  });

  it("is 503 when the object does not answer", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const dead = {
      getByName: () => ({
        points: () => Promise.reject(new Error("down")),
        report: () => Promise.reject(new Error("down")),
      }),
    };
    const { status, body } = await callWith({ TELEMETRY: dead as unknown as ApiEnv["TELEMETRY"] })(
      "GET",
      "/api/admin/telemetry",
    );
    expect([status, body.type]).toEqual([503, "urn:luna:problem:unavailable"]);
  });
});
