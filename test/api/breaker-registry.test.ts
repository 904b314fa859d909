import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import type { BreakerAnnouncement } from "../../shared/telemetry/rules/rpc.ts";
import type { ApiEnv } from "../../workers/env.ts";
import { eventually } from "../support/eventually.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { scraped, valueOf } from "../support/scraped.ts";
import { call, callWith } from "./support.ts";

/** The list of circuit breakers, in the real objects. */

const DAY_MS = 86_400_000;
const fleet = () => env.TELEMETRY.getByName("fleet");
const listed = async () => (await fleet().breakers()).registered;
const named = async (name: string) => (await listed()).find((one) => one.name === name);
const by = { actor: "ada", reason: "testing" };

let next = 0;
const newRegistry = () => env.TELEMETRY.getByName(`registry-${(next += 1)}`);
const standing = (n: number, more: Partial<BreakerAnnouncement> = {}): BreakerAnnouncement => ({
  name: `name-${n}`,
  object: n.toString(16),
  state: "CLOSED",
  epoch: 1,
  override: "none",
  last: null,
  outage: null,
  ...more,
});
const forward = (registry: ReturnType<typeof newRegistry>, ms: number) =>
  runInDurableObject(registry, (object) => {
    object.clock = () => Date.now() + ms;
  });

describe("a breaker that is used", () => {
  it("is in the list with its state, and each change follows", async () => {
    const prices = env.CIRCUIT_BREAKER.getByName("prices");
    await prices.sync({});
    await eventually(async () =>
      expect(await named("prices")).toMatchObject({ state: "CLOSED", last: null, outage: null }),
    );
    await prices.sync({ report: { epoch: 1, failures: 5, calls: 5, lastError: "down" } });
    await eventually(async () =>
      expect(await named("prices")).toMatchObject({
        state: "OPEN",
        epoch: 2,
        last: { cause: "threshold" },
        outage: { reason: "5 of 5 calls failed: down" },
      }),
    );
    await evictDurableObject(prices);
    await prices.disable(by);
    await eventually(async () =>
      expect(await named("prices")).toMatchObject({ state: "CLOSED", override: "disabled" }),
    );
  });

  it("is not there twice if it is Luna's own, and not because an operator looked at it", async () => {
    await env.CIRCUIT_BREAKER.getByName("database").sync({});
    await env.CIRCUIT_BREAKER.getByName("looked-at").inspect();
    await env.CIRCUIT_BREAKER.getByName("used").sync({});
    await eventually(async () => expect(await named("used")).toBeDefined());
    const names = (await listed()).map(({ name }) => name);
    expect(names).not.toContain("database");
    expect(names).not.toContain("looked-at");
  });

  it("is not in the list under a name that may be an address or a key, which is not stored", async () => {
    vi.spyOn(console, "warn").mockReturnValue();
    const bad = ["ada@example.com", "https://a.test/x", "10.0.0.1", "k4eC39HqLyjWDarjtT1zdp7dcZ"];
    for (const name of bad) await env.CIRCUIT_BREAKER.getByName(name).sync({});
    await eventually(async () =>
      expect((await fleet().breakers()).refused).toEqual({ full: 0, name: bad.length }),
    );
    const stored = await runInDurableObject(fleet(), (_, { storage }) =>
      JSON.stringify([
        storage.sql.exec("SELECT * FROM refused_breakers").toArray(),
        storage.sql.exec("SELECT * FROM breakers").toArray(),
      ]),
    );
    for (const name of bad) expect(stored).not.toContain(name);
    vi.restoreAllMocks();
  });
});

describe("the list", () => {
  it("has at most 200 names: further ones are refused and counted, until one is free", async () => {
    const registry = newRegistry();
    await runInDurableObject(registry, async (object) => {
      for (let n = 0; n < 200; n += 1)
        expect(await object.announceBreaker(standing(n))).toEqual({
          ok: true,
          value: { refused: null },
        });
    });
    for (const n of [200, 201, 200])
      expect(await registry.announceBreaker(standing(n))).toMatchObject({
        value: { refused: "full" },
      });
    expect(await registry.announceBreaker(standing(7, { state: "OPEN", epoch: 2 }))).toMatchObject({
      value: { refused: null },
    });
    expect(await registry.breakers()).toMatchObject({ refused: { full: 2, name: 0 } });
    await forward(registry, 31 * DAY_MS);
    expect(await registry.announceBreaker(standing(200))).toMatchObject({
      value: { refused: null },
    });
    expect(await registry.breakers()).toMatchObject({
      registered: [{ name: "name-200" }],
      refused: { full: 0, name: 0 },
    });
  });

  it("counts at most 200 refused ones", async () => {
    const registry = newRegistry();
    await runInDurableObject(registry, async (object) => {
      for (let n = 0; n < 210; n += 1) await object.announceBreaker(standing(n, { name: null }));
    });
    expect((await registry.breakers()).refused).toEqual({ full: 0, name: 200 });
  });

  it("drops a breaker that announced nothing for 30 days, and no other", async () => {
    const registry = newRegistry();
    await registry.announceBreaker(standing(1));
    await forward(registry, 20 * DAY_MS);
    await registry.announceBreaker(standing(2));
    await forward(registry, 31 * DAY_MS);
    expect((await registry.breakers()).registered).toMatchObject([{ name: "name-2" }]);
  });

  it("ignores an announcement that a newer one has overtaken, and no other", async () => {
    const registry = newRegistry();
    await registry.announceBreaker(standing(1, { state: "OPEN", epoch: 5 }));
    await registry.announceBreaker(standing(1, { epoch: 4 }));
    expect((await registry.breakers()).registered).toMatchObject([{ state: "OPEN", epoch: 5 }]);
    // The object was deleted meanwhile.
    await forward(registry, 2 * 3_600_000);
    await registry.announceBreaker(standing(1, { epoch: 1 }));
    expect((await registry.breakers()).registered).toMatchObject([{ state: "CLOSED", epoch: 1 }]);
  });

  it.each([
    [{ name: "a b" }, "name"],
    [{ name: "x".repeat(65) }, "name"],
    [{ object: "prices" }, "object"],
    [{ state: "AJAR" as "OPEN" }, "state"],
    [{ override: "x".repeat(1_001) }, "override"],
  ])("refuses %j by the name of the field, and stores nothing", async (wrong, field) => {
    const registry = newRegistry();
    expect(await registry.announceBreaker(standing(1, wrong))).toMatchObject({
      ok: false,
      error: { errors: [{ path: field }] },
    });
    expect(await registry.breakers()).toEqual({ registered: [], refused: { full: 0, name: 0 } });
  });
});

const path = "/api/admin/circuit-breakers";
const opened = { report: { epoch: 1, failures: 5, calls: 5, lastError: "down" } };
const inList = async (name: string) =>
  (await call("GET", path)).body.items.find((item: { name: string }) => item.name === name);

describe("a breaker in the list, over HTTP", () => {
  it("has state, history and verbs as Luna's own have, and an unknown name is a 404", async () => {
    await env.CIRCUIT_BREAKER.getByName("weather").sync(opened);
    await eventually(async () => expect(await named("weather")).toMatchObject({ state: "OPEN" }));
    const outage = { since: expect.any(String), reason: "5 of 5 calls failed: down" };
    expect(await inList("weather")).toEqual({
      name: "weather",
      state: "OPEN",
      override: "none",
      epoch: 2,
      lastTransition: expect.objectContaining({ cause: "threshold", to: "OPEN" }),
      outage,
      used: true,
      reportedAt: expect.stringMatching(/^\d{4}-/),
    });
    expect((await call("GET", `${path}/weather`)).body).toMatchObject({ failures: 0, outage });
    expect((await call("GET", `${path}/weather/history`)).body.items).toHaveLength(1);
    const reset = await call("POST", `${path}/weather/reset`, { reason: "it is back" });
    expect(reset).toMatchObject({ status: 200, body: { state: "CLOSED" } });
    await eventually(async () =>
      expect(await inList("weather")).toMatchObject({
        state: "CLOSED",
        lastTransition: { cause: "reset", reason: "it is back" },
      }),
    );
    for (const unknown of ["never-used", "ada%40example.com", "a%20b"]) {
      expect((await call("GET", `${path}/${unknown}`)).status).toBe(404);
      expect((await call("GET", `${path}/${unknown}/history`)).status).toBe(404);
      expect((await call("POST", `${path}/${unknown}/open`, { reason: "x" })).status).toBe(404);
    }
    expect(await named("never-used")).toBeUndefined();
  });

  it("degrades /health while it is open, unless nothing uses it any more", async () => {
    const telemetry = newRegistry();
    const binding = { getByName: () => telemetry } as unknown as ApiEnv["TELEMETRY"];
    const health = async () => (await callWith({ TELEMETRY: binding })("GET", "/health")).body;
    await telemetry.announceBreaker(standing(1, { state: "OPEN" }));
    expect(await health()).toMatchObject({
      status: "degraded",
      checks: { breakers: { status: "degraded", states: { "name-1": "OPEN", cache: "CLOSED" } } },
    });
    await forward(telemetry, -3 * DAY_MS);
    await telemetry.announceBreaker(standing(2, { state: "OPEN" }));
    await telemetry.announceBreaker(standing(1));
    expect(await health()).toMatchObject({
      status: "ok",
      checks: { breakers: { status: "ok", states: { "name-1": "CLOSED", "name-2": "OPEN" } } },
    });
  });

  it("is a metric, with when it announced itself", async () => {
    await env.CIRCUIT_BREAKER.getByName("maps").sync(opened);
    await eventually(async () => expect(await named("maps")).toMatchObject({ state: "OPEN" }));
    const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` };
    const request = new Request("http://luna.test/metrics", { headers });
    const found = scraped(await (await exports.default.fetch(request)).text());
    const dependency = "maps";
    const stateOf = (state: string) =>
      valueOf(found, "luna_circuit_breaker_state", { dependency, state });
    expect([stateOf("open"), stateOf("closed"), stateOf("half_open")]).toEqual([1, 0, 0]);
    expect(valueOf(found, "luna_circuit_breaker_transitions_total", { dependency })).toBe(1);
    expect(
      Number(valueOf(found, "luna_circuit_breaker_announced_timestamp_seconds", { dependency })),
    ).toBeGreaterThan(0);
    expect(valueOf(found, "luna_circuit_breakers_refused", { reason: "full" })).toBe(0);
  });

  it.each([
    ["throws", () => Promise.reject(new Error("Durable Object is overloaded."))],
    ["hangs", () => new Promise(() => undefined)],
  ] as const)(
    "is not known while Telemetry %s, which degrades nothing of Luna",
    async (_, breakers) => {
      vi.spyOn(console, "error").mockReturnValue();
      const silent = { breakers, report: breakers, inspect: breakers };
      const api = callWith({
        TELEMETRY: { getByName: () => silent } as unknown as ApiEnv["TELEMETRY"],
      });
      expect((await api("GET", "/health")).body).toMatchObject({
        status: "ok",
        checks: { breakers: { status: "ok", registryUnread: true } },
      });
      const { body } = await api("GET", path);
      expect(body).not.toHaveProperty("registry");
      expect(body.items).toHaveLength(7);
      const problem = { status: 503, body: { type: "urn:luna:problem:unavailable" } };
      expect(await api("POST", `${path}/weather/reset`, { reason: "x" })).toMatchObject(problem);
      expect((await api("POST", `${path}/cache/reset`, { reason: "x" })).status).toBe(200);
      vi.restoreAllMocks();
    },
  );
});
