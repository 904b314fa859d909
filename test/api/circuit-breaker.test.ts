import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { breakerClient } from "../../shared/lib/circuit-breaker/guard.ts";
import { CircuitOpen } from "../../shared/lib/circuit-breaker/isolate/circuit-open.ts";
import { isServerFailure } from "../../shared/lib/circuit-breaker/isolate/http-answer.ts";
import type {
  ProbeReport,
  RecordedTransition,
  BreakerSyncReply,
  BreakerSyncRequest,
} from "../../shared/lib/circuit-breaker/rules/rpc.ts";
import { eventually } from "../support/eventually.ts";
import { brokenBreakers, DependencyDown, fail, newIsolate, succeed } from "../support/isolates.ts";

/** The real object in workerd, with its storage; clients as isolates have them. */

let next = 0;
const newBreaker = () => {
  const name = `dependency-${(next += 1)}`;
  return { name, stub: env.CIRCUIT_BREAKER.getByName(name) };
};
const by = { actor: "ada", reason: "testing" };
const open = async ({ stub }: ReturnType<typeof newBreaker>): Promise<void> => {
  await stub.sync({ report: { epoch: 1, failures: 5, calls: 5 } });
};

const sync = async (
  { stub }: ReturnType<typeof newBreaker>,
  request: BreakerSyncRequest,
): Promise<BreakerSyncReply> => {
  const reply = await stub.sync(request);
  return reply.ok ? reply.value : expect.fail();
};
const endProbe = async (
  { stub }: ReturnType<typeof newBreaker>,
  request: ProbeReport,
): Promise<BreakerSyncReply["snapshot"]> => {
  const reply = await stub.endProbe(request);
  return reply.ok ? reply.value.snapshot : expect.fail();
};
const history = async (
  { stub }: ReturnType<typeof newBreaker>,
  page?: { limit?: number; before?: number },
): Promise<RecordedTransition[]> => {
  const reply = await stub.history(page);
  return reply.ok ? reply.value : expect.fail();
};

describe("the outage of a breaker", () => {
  it("begins when it leaves closed, keeps its start over failed probes, and has the last error", async () => {
    const breaker = newBreaker();
    const { name, stub } = breaker;
    const isolate = newIsolate(env.CIRCUIT_BREAKER, name);
    expect(await stub.inspect()).toMatchObject({ outage: null, windowMs: 60_000 });
    await eventually(async () => {
      await isolate.run(fail).catch(() => undefined);
      expect((await stub.inspect()).state).toBe("OPEN");
    });
    const opened = await stub.inspect();
    expect(opened.outage).toEqual({
      since: opened.last?.at,
      reason: expect.stringMatching(/^\d+ of \d+ calls failed: the dependency is down$/),
    });
    await runInDurableObject(stub, (object) => (object.clock = () => Date.now() + 30_000));
    await sync(breaker, { acquire: { id: "p1", lastsMs: 10_000, cold: false } });
    await endProbe(breaker, { permitId: "p1", outcome: "failure", lastError: "still down" });
    expect((await stub.inspect()).outage).toEqual({
      since: opened.outage?.since,
      reason: "still down",
    });
  });

  it("an object whose reply does not announce that it takes errors gets none", async () => {
    const requests: BreakerSyncRequest[] = [];
    const binding = {
      getByName: (name: string) => {
        const stub = env.CIRCUIT_BREAKER.getByName(name);
        return {
          sync: async (request: BreakerSyncRequest) => {
            requests.push(request);
            const reply = await stub.sync(request);
            if (!reply.ok) return reply;
            const { snapshot, granted } = reply.value;
            return { ok: true, value: { snapshot, granted } };
          },
        };
      },
    } as unknown as typeof env.CIRCUIT_BREAKER;
    const { name, stub } = newBreaker();
    const isolate = newIsolate(binding, name);
    await eventually(async () => {
      await isolate.run(fail).catch(() => undefined);
      expect((await stub.inspect()).state).toBe("OPEN");
    });
    expect(requests.filter(({ report }) => (report?.failures ?? 0) > 0)).not.toEqual([]);
    expect(JSON.stringify(requests)).not.toContain("lastError");
  });
});

describe("the breaker of the fleet", () => {
  it("opens at five failures of five isolates, also if it is evicted after each", async () => {
    const { name, stub } = newBreaker();
    for (let n = 1; n <= 5; n += 1) {
      await expect(newIsolate(env.CIRCUIT_BREAKER, name).run(fail)).rejects.toThrow(DependencyDown);
      await eventually(async () =>
        expect(await stub.inspect()).toMatchObject(n < 5 ? { failures: n } : { state: "OPEN" }),
      );
      await evictDurableObject(stub);
    }
    expect(await stub.inspect()).toMatchObject({
      state: "OPEN",
      epoch: 2,
      last: { cause: "threshold", actor: "breaker" },
    });
  });

  it("opens once and records it once if many isolates reach the threshold together", async () => {
    const { name, stub } = newBreaker();
    const warned = vi.spyOn(console, "warn");
    await Promise.allSettled(
      Array.from({ length: 30 }, () => newIsolate(env.CIRCUIT_BREAKER, name).run(fail)),
    );
    await eventually(async () => expect((await stub.inspect()).state).toBe("OPEN"));
    expect(await history({ name, stub })).toMatchObject([
      { from: "CLOSED", to: "OPEN", epoch: 2, cause: "threshold" },
    ]);
    const logged = warned.mock.calls
      .map(([line]) => String(line))
      .filter((line) => line.includes("circuit_breaker.transition"));
    expect(logged.map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        level: "warn",
        event: "circuit_breaker.transition",
        dependency: name,
        from: "CLOSED",
        to: "OPEN",
        epoch: 2,
        cause: "threshold",
      },
    ]);
    warned.mockRestore();
  });

  it("is called once per snapshot and once per report, for any number of calls", async () => {
    const { name, stub } = newBreaker();
    const { binding, requests } = brokenBreakers("works", env.CIRCUIT_BREAKER);
    const isolate = newIsolate(binding, name);
    await isolate.run(succeed);
    await eventually(() => expect(isolate.breaker.held).not.toBeNull());
    for (let n = 0; n < 10_000; n += 1)
      await isolate.run(n % 5_000 === 100 ? fail : succeed).catch(() => undefined);
    await eventually(async () => expect(await stub.inspect()).toMatchObject({ failures: 2 }));
    expect(requests()).toBeLessThanOrEqual(1 + 2);

    await stub.forceOpen(by);
    const before = requests();
    const openIsolate = newIsolate(binding, name);
    await openIsolate.breaker.refresh(1_000);
    for (let n = 0; n < 10_000; n += 1)
      expect(await openIsolate.run(succeed)).toBeInstanceOf(CircuitOpen);
    expect(requests() - before).toBe(1);
  });

  it.each(["throws", "hangs"] as const)(
    "keeps no caller waiting when it %s, and each isolate opens on its own",
    async (how) => {
      const isolate = newIsolate(
        brokenBreakers(how, env.CIRCUIT_BREAKER).binding,
        newBreaker().name,
      );
      for (let n = 0; n < 5; n += 1) await isolate.run(fail).catch(() => undefined);
      await eventually(async () => {
        await isolate.run(fail).catch(() => undefined);
        expect(isolate.breaker.local?.snapshot.state).toBe("OPEN");
      });
      expect(await isolate.run(succeed)).toBeInstanceOf(CircuitOpen);
    },
  );

  it("is dropped in the middle of a call and loses no failure that it had answered", async () => {
    const breaker = newBreaker();
    await breaker.stub.sync({ report: { epoch: 1, failures: 4, calls: 4 } });
    const eviction = evictDurableObject(breaker.stub);
    const isolate = newIsolate(env.CIRCUIT_BREAKER, breaker.name);
    await isolate.run(fail).catch(() => undefined);
    await eviction;
    await eventually(async () => expect((await breaker.stub.inspect()).state).toBe("OPEN"));
  });
});

describe("the permit", () => {
  /** Open, and its time is over. */
  async function due(): Promise<
    ReturnType<typeof newBreaker> & { later: (ms: number) => Promise<void> }
  > {
    const breaker = newBreaker();
    await open(breaker);
    const later = async (ms: number): Promise<void> =>
      await runInDurableObject(
        breaker.stub,
        (instance) => void (instance.clock = () => Date.now() + ms),
      );
    await later(30_000);
    return { ...breaker, later };
  }
  const ask = (id: string): BreakerSyncRequest => ({
    acquire: { id, lastsMs: 10_000, cold: false },
  });

  it("goes to one of fifty that ask at the same moment", async () => {
    const breaker = await due();
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, n) => sync(breaker, ask(`p${n}`))),
    );
    expect(replies.filter(({ granted }) => granted)).toHaveLength(1);
    expect(replies.every(({ snapshot }) => snapshot.state === "HALF_OPEN")).toBe(true);
  });

  it("survives an eviction, and no other closes the breaker: forged, second, old", async () => {
    const breaker = await due();
    const { stub, later } = breaker;
    expect((await sync(breaker, ask("first"))).granted).toBe(true);
    await evictDurableObject(stub);
    await later(30_000);
    expect((await sync(breaker, ask("second"))).granted).toBe(false);
    for (const permitId of ["forged", "second"]) {
      expect((await endProbe(breaker, { permitId, outcome: "success" })).state).toBe("HALF_OPEN");
    }
    await later(40_001);
    expect((await sync(breaker, ask("third"))).granted).toBe(true);
    expect((await endProbe(breaker, { permitId: "first", outcome: "success" })).state).toBe(
      "HALF_OPEN",
    );
    expect((await endProbe(breaker, { permitId: "third", outcome: "success" })).state).toBe(
      "CLOSED",
    );
    expect((await endProbe(breaker, { permitId: "third", outcome: "failure" })).state).toBe(
      "CLOSED",
    );
  });

  it("of a probe that fails opens it again, and one that succeeds closes it", async () => {
    const breaker = await due();
    const { stub, later } = breaker;
    await sync(breaker, ask("p1"));
    const snapshot = await endProbe(breaker, { permitId: "p1", outcome: "failure" });
    // A fleet without traffic waits as long as at first.
    expect(snapshot.retryAfterMs).toBeGreaterThan(29_000);
    await later(30_000 + 30_000);
    await sync(breaker, ask("p2"));
    const closed = await endProbe(breaker, { permitId: "p2", outcome: "success" });
    await sync(breaker, { report: { epoch: closed.epoch, failures: 5, calls: 5 } });
    expect((await stub.inspect()).retryAfterMs).toBeLessThanOrEqual(30_000);
  });

  it("is given out again although the clock goes an hour back", async () => {
    const breaker = await due();
    const { later } = breaker;
    await later(-3_600_000);
    expect((await sync(breaker, {})).snapshot.retryAfterMs).toBeLessThanOrEqual(30_000);
    await later(-3_600_000 + 30_000);
    expect((await sync(breaker, ask("p1"))).granted).toBe(true);
  });
});

describe("an operator's override", () => {
  it.each([
    ["forceOpen", { state: "OPEN", override: { kind: "forced-open", ends: false } }],
    ["forceClose", { state: "CLOSED", override: { kind: "forced-closed" } }],
    ["disable", { state: "CLOSED", override: { kind: "disabled" } }],
  ] as const)("survives an eviction and each report: %s", async (command, expected) => {
    const breaker = newBreaker();
    const { stub } = breaker;
    expect(await stub[command](by)).toMatchObject({ ok: true, value: expected });
    await evictDurableObject(stub);
    const { snapshot } = await sync(breaker, { report: { epoch: 2, failures: 100, calls: 100 } });
    expect(snapshot).toMatchObject(expected);
    expect(await history(breaker)).toMatchObject([{ actor: "ada", reason: "testing", epoch: 2 }]);
    expect(await stub.enable({ actor: "bob", reason: "done" })).toMatchObject({
      ok: true,
      value: { state: "CLOSED", override: { kind: "none" } },
    });
    expect(await history(breaker)).toMatchObject([
      { actor: "bob", reason: "done", cause: "enable" },
      { actor: "ada" },
    ]);
  });

  it("reaches every isolate", async () => {
    const { name, stub } = newBreaker();
    const isolates = Array.from({ length: 5 }, () => newIsolate(env.CIRCUIT_BREAKER, name));
    await Promise.all(isolates.map((isolate) => isolate.run(succeed)));
    await eventually(() =>
      expect(isolates.every(({ breaker }) => breaker.held !== null)).toBe(true),
    );
    await stub.forceOpen(by);
    const rejected = new Set<number>();
    await eventually(async () => {
      const answers = await Promise.all(isolates.map((isolate) => isolate.run(succeed)));
      for (const [n, answer] of answers.entries())
        if (answer instanceof CircuitOpen) rejected.add(n);
      expect(rejected.size).toBe(5);
    });
  });
});

describe("what is not valid", () => {
  it.each<[string, BreakerSyncRequest, string, string]>([
    [
      "a negative number of failures",
      { report: { epoch: 1, failures: -1, calls: 1 } },
      "report.failures",
      "must be at least 0",
    ],
    [
      "half a failure",
      { report: { epoch: 1, failures: 0.5, calls: 1 } },
      "report.failures",
      "must be a whole number",
    ],
    [
      "no number",
      { report: { epoch: 1, failures: Number.NaN, calls: 1 } },
      "report.failures",
      "must be a number",
    ],
    [
      "a permit for a day",
      { acquire: { id: "p", lastsMs: 86_400_000, cold: false } },
      "acquire.lastsMs",
      "must be at most 300000",
    ],
  ])(
    "is refused by the name of its field and counts nothing: %s",
    async (_, request, path, message) => {
      const { stub } = newBreaker();
      expect(await stub.sync(request)).toEqual({
        ok: false,
        error: { tag: "invalid", errors: [{ path, message }] },
      });
      expect(await stub.inspect()).toMatchObject({ failures: 0, calls: 0, epoch: 1 });
    },
  );

  it("an order without a reason changes nothing", async () => {
    const { stub } = newBreaker();
    expect(await stub.reset({ actor: "ada", reason: " " })).toEqual({
      ok: false,
      error: { tag: "invalid", errors: [{ path: "reason", message: "is empty" }] },
    });
    expect(await stub.forceOpen({ ...by, until: Date.now() - 1 })).toMatchObject({
      ok: false,
      error: { errors: [{ path: "until" }] },
    });
    expect(await stub.history()).toEqual({ ok: true, value: [] });
  });
});

describe("what is stored", () => {
  it("stores all changes of an event or none, and a failed write has no effect", async () => {
    const { stub } = newBreaker();
    await stub.inspect();
    await runInDurableObject(stub, async (instance, { storage }) => {
      storage.sql.exec(
        `CREATE TRIGGER full BEFORE INSERT ON transitions
         BEGIN SELECT RAISE(ABORT, 'disk full'); END`,
      );
      await expect(instance.forceOpen(by)).rejects.toThrow("disk full");
    });
    expect(await stub.inspect()).toMatchObject({ state: "CLOSED", epoch: 1 });
    await evictDurableObject(stub);
    expect(await stub.inspect()).toMatchObject({ state: "CLOSED", epoch: 1 });
  });

  it("and cannot be read is closed, under a newer epoch", async () => {
    const { stub } = newBreaker();
    await stub.forceOpen(by);
    await runInDurableObject(
      stub,
      (_, { storage }) => void storage.sql.exec("UPDATE breaker SET state = '{}'"),
    );
    await evictDurableObject(stub);
    expect(await stub.inspect()).toMatchObject({ state: "CLOSED", epoch: 3 });
  });

  it("of the history is at most a thousand transitions, newest first and by the page", async () => {
    const breaker = newBreaker();
    const { stub } = breaker;
    await runInDurableObject(stub, async (instance) => {
      for (let n = 1; n <= 1_005; n += 1)
        await instance.reset({ actor: "ada", reason: `reset ${n}` });
    });
    const newest = await history(breaker, { limit: 2 });
    expect(newest.map(({ reason }) => reason)).toEqual(["reset 1005", "reset 1004"]);
    expect(
      (await history(breaker, { limit: 1, before: newest[1]?.id ?? 0 })).map(
        ({ reason }) => reason,
      ),
    ).toEqual(["reset 1003"]);
    expect(await history(breaker, { before: 6 })).toEqual([]);
    expect(await history(breaker, { before: 7 })).toMatchObject([{ reason: "reset 6" }]);
  });
});

describe("callers of one name", () => {
  const policy = { timeoutMs: 5_000, calleeTimesOut: false, countsAsFailure: () => true };

  it("get the same client for the same options, and their own for others", () => {
    const { name } = newBreaker();
    const first = breakerClient(env, name, policy);
    const hurried = breakerClient(env, name, { ...policy, timeoutMs: 20 });
    expect(breakerClient(env, name, { ...policy })).toBe(first);
    expect(hurried).not.toBe(first);
    expect(hurried.breaker, "they count in one breaker").toBe(first.breaker);
  });

  it("keep their own time limits and fault rules", async () => {
    const { name } = newBreaker();
    const patient = breakerClient(env, name, { ...policy, countsAsFailure: () => false });
    const hurried = breakerClient(env, name, { ...policy, timeoutMs: 20 });
    const slow = () => new Promise<string>((resolve) => setTimeout(() => resolve("late"), 100));
    expect(await patient.run(slow)).toBe("late");
    await expect(hurried.run(slow)).rejects.toThrow("no answer within 20 ms");
    await expect(patient.run(fail)).rejects.toThrow(DependencyDown);
    expect([patient, hurried].map((client) => client.afterError(new Error("x")).isFailure)).toEqual(
      [false, true],
    );
  });
});

describe("thresholds that the code of a caller asks for", () => {
  const policy = { timeoutMs: 5_000, calleeTimesOut: true, countsAsFailure: () => true };

  it("count from its second request on, survive an eviction, and go with a reset", async () => {
    const breaker = newBreaker();
    const { name, stub } = breaker;
    const client = breakerClient(env, name, { ...policy, thresholds: { failures: 2 } });
    await client.run(succeed);
    await eventually(() => expect(client.breaker.reached).toBe(true));
    for (let n = 0; n < 2; n += 1) await client.run(fail).catch(() => undefined);
    await eventually(async () => expect((await stub.inspect()).state).toBe("OPEN"));
    await evictDurableObject(stub);
    const other = { thresholds: { failures: 9 } };
    await sync(breaker, other);
    expect(await stub.inspect()).toMatchObject({ thresholdsDiffer: true });

    await stub.reset(by);
    const { epoch } = await stub.inspect();
    expect(await stub.inspect()).not.toHaveProperty("thresholdsDiffer");
    await sync(breaker, { ...other, report: { epoch, failures: 5, calls: 5 } });
    expect((await stub.inspect()).state).toBe("CLOSED");
    await sync(breaker, { report: { epoch, failures: 4, calls: 4 } });
    expect((await stub.inspect()).state).toBe("OPEN");
  });

  it("are refused by name if they are bad, and the defaults hold", async () => {
    const logged = vi.spyOn(console, "error").mockReturnValue();
    const { name, stub } = newBreaker();
    const client = breakerClient(env, name, { ...policy, thresholds: { failures: 0 } });
    expect(await client.run(succeed)).toBe("value");
    expect(logged.mock.calls.flat().join()).toContain("thresholds.failures");
    expect((await stub.sync({ thresholds: { failures: 0 } })).ok).toBe(false);
  });
});

describe("an HTTP answer that is not thrown", () => {
  const counted = { timeoutMs: 5_000, calleeTimesOut: true, countsAsFailure: () => true };
  const answering =
    (status: number, headers: Record<string, string> = {}) =>
    async () =>
      new Response(null, { status, headers });

  it("of 503 counts, and its Retry-After sets the open time up to a minute", async () => {
    const { name, stub } = newBreaker();
    const policy = { ...counted, resultCountsAsFailure: isServerFailure };
    const client = breakerClient(env, name, policy);
    await client.run(answering(200));
    await eventually(() => expect(client.breaker.held).not.toBeNull());
    for (let n = 0; n < 5; n += 1)
      expect(await client.run(answering(503, { "Retry-After": "45" }))).toMatchObject({
        status: 503,
      });
    await eventually(async () => expect((await stub.inspect()).state).toBe("OPEN"));
    const { retryAfterMs, last } = await stub.inspect();
    expect(retryAfterMs).toBeGreaterThan(40_000);
    expect(last?.reason).toMatch(/HTTP 503$/);
  });

  it("of 429 never counts, returned or thrown", async () => {
    const { name } = newBreaker();
    const client = breakerClient(env, name, { ...counted, resultCountsAsFailure: () => true });
    expect(client.afterResult(await answering(429)()).isFailure).toBe(false);
    expect(client.afterError(Object.assign(new Error("slow down"), { status: 429 }))).toEqual({
      isFailure: false,
      retryAfterMs: 0,
    });
  });
});

describe("a row of the release before", () => {
  it.each([
    { state: "CLOSED", window: [{ start: 0, failures: 3, calls: 9 }] },
    { state: "OPEN", openedAt: 1, durationMs: 60_000, reopens: 1 },
    { state: "HALF_OPEN", reopens: 0, permit: { id: "p", grantedAt: 1, lastsMs: 10_000 } },
  ])("is loaded: $state", async (phase) => {
    const { stub } = newBreaker();
    await stub.inspect();
    await runInDurableObject(stub, (_, { storage }) => {
      const state = JSON.stringify({ phase, override: { kind: "none" } });
      storage.sql.exec("INSERT OR REPLACE INTO breaker VALUES (1, 7, ?)", state);
    });
    await evictDurableObject(stub);
    expect(await stub.inspect()).toMatchObject({ state: phase.state, epoch: 7 });
  });

  it("can be read by that release after a rollback: each state keeps its fields", async () => {
    const breaker = newBreaker();
    const { stub } = breaker;
    const stored = () =>
      runInDurableObject(stub, (_, { storage }) => {
        const [row] = storage.sql.exec<{ state: string }>("SELECT state FROM breaker").toArray();
        return (JSON.parse(row?.state ?? "{}") as { phase: unknown }).phase;
      });
    await sync(breaker, { report: { epoch: 1, failures: 1, calls: 2 } });
    expect(await stored()).toMatchObject({
      state: "CLOSED",
      window: [{ start: expect.any(Number), failures: 1, calls: 2 }],
    });
    await sync(breaker, { report: { epoch: 1, failures: 5, calls: 5 } });
    expect(await stored()).toMatchObject({
      state: "OPEN",
      openedAt: expect.any(Number),
      durationMs: 30_000,
      reopens: 0,
    });
    await runInDurableObject(stub, (object) => (object.clock = () => Date.now() + 30_000));
    await sync(breaker, { acquire: { id: "p", lastsMs: 10_000, cold: false } });
    expect(await stored()).toMatchObject({
      state: "HALF_OPEN",
      reopens: 0,
      permit: { id: "p", grantedAt: expect.any(Number), lastsMs: 10_000 },
    });
  });
});

describe("the real object with a server that dies, comes back weak, and refuses one isolate", () => {
  it("opens for the fleet, recovers by a ramp, and leaves the refused isolate to its own pause", async () => {
    const breaker = newBreaker();
    const { stub } = breaker;
    let later = 0;
    const at = async (ms: number): Promise<void> => {
      later = ms;
      await runInDurableObject(stub, (object) => (object.clock = () => start + later));
    };
    const start = Date.now();
    const counted = async (failures: number, calls: number, more: object = {}) =>
      await sync(breaker, {
        report: { epoch: (await stub.inspect()).epoch, failures, calls, ...more },
      });
    for (let second = 0; second < 60; second += 1) {
      await at(second * 1_000);
      await counted(0, 100, { overMs: 1_000 });
    }
    // One isolate in ten is refused: the breaker stays closed, and the reply has the time of a
    // pause.
    for (let second = 60; second < 65; second += 1) {
      await at(second * 1_000);
      await counted(10, 10, { after: 10 });
      const { snapshot } = await counted(0, 90, { overMs: 1_000 });
      expect(snapshot).toMatchObject({ state: "CLOSED", inARow: 5 });
    }
    // Then it dies for all.
    for (let tenth = 0; tenth < 35; tenth += 1) {
      await at(65_000 + tenth * 100);
      await counted(10, 10, { after: 10 });
    }
    expect((await stub.inspect()).state).toBe("OPEN");
    await at(100_000);
    const ask = { acquire: { id: "p1", lastsMs: 10_000, cold: false } };
    expect((await sync(breaker, ask)).granted).toBe(true);
    await endProbe(breaker, { permitId: "p1", outcome: "success" });
    const share = async () => (await stub.inspect()).ramp?.share ?? null;
    expect(await share()).toBeCloseTo(0.125, 2);
    // It comes back weak: half of what runs fails.
    await at(101_100);
    await counted(10, 20);
    expect(await share()).toBeLessThan(0.25);
    // An old isolate in this ramp gets OPEN for some seconds.
    expect((await sync(breaker, {})).snapshot).toMatchObject({
      state: "OPEN",
      ramp: { share: expect.any(Number) },
    });
    for (let second = 103; second < 140; second += 1) {
      await at(second * 1_000);
      await counted(0, 10);
    }
    expect(await stub.inspect()).toMatchObject({ state: "CLOSED", last: { cause: "recovered" } });
  });
});
