import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { breakerClient } from "../../shared/lib/circuit-breaker/guard.ts";
import { CircuitOpen } from "../../shared/lib/circuit-breaker/isolate/circuit-open.ts";
import type {
  ProbeReport,
  RecordedTransition,
  SyncReply,
  SyncRequest,
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
  request: SyncRequest,
): Promise<SyncReply> => {
  const reply = await stub.sync(request);
  return reply.ok ? reply.value : expect.fail();
};
const endProbe = async (
  { stub }: ReturnType<typeof newBreaker>,
  request: ProbeReport,
): Promise<SyncReply["snapshot"]> => {
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
    const told = warned.mock.calls
      .map(([line]) => String(line))
      .filter((line) => line.includes("circuit_breaker.transition"));
    expect(told.map((line) => JSON.parse(line) as unknown)).toEqual([
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
    await eventually(() => expect(isolate.breaker.view).not.toBeNull());
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
  const ask = (id: string): SyncRequest => ({ acquire: { id, lastsMs: 10_000, cold: false } });

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

  it("of a probe that fails opens it for longer, and a close resets that", async () => {
    const breaker = await due();
    const { stub, later } = breaker;
    await sync(breaker, ask("p1"));
    const snapshot = await endProbe(breaker, { permitId: "p1", outcome: "failure" });
    expect(snapshot.retryAfterMs).toBeGreaterThan(59_000);
    await later(30_000 + 60_000);
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
  ] as const)("survives an eviction and whatever is reported: %s", async (verb, expected) => {
    const breaker = newBreaker();
    const { stub } = breaker;
    expect(await stub[verb](by)).toMatchObject({ ok: true, value: expected });
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
      expect(isolates.every(({ breaker }) => breaker.view !== null)).toBe(true),
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
  it.each<[string, SyncRequest, string, string]>([
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

describe("options of a later call with the same name", () => {
  const policy = { timeoutMs: 5_000, calleeTimesOut: false, isFault: () => true };
  const warningsAbout = (name: string, warned: { mock: { calls: unknown[][] } }): unknown[] =>
    warned.mock.calls
      .map(([line]) => JSON.parse(String(line)) as { event: string; dependency?: string })
      .filter(({ dependency }) => dependency === name);

  it.each([
    ["timeoutMs", { timeoutMs: 1_000 }],
    ["calleeTimesOut", { calleeTimesOut: true }],
  ])("that bring another %s are ignored, and logged once", (_, changes) => {
    const { name } = newBreaker();
    const warned = vi.spyOn(console, "warn").mockReturnValue();
    const first = breakerClient(env, name, policy);
    for (let n = 0; n < 3; n += 1)
      expect(breakerClient(env, name, { ...policy, ...changes })).toBe(first);
    expect(warningsAbout(name, warned)).toMatchObject([
      {
        level: "warn",
        event: "circuit_breaker.options_differ",
        dependency: name,
        timeoutMs: 5_000,
        calleeTimesOut: false,
      },
    ]);
    warned.mockRestore();
  });

  it("that are the same are not logged", () => {
    const { name } = newBreaker();
    const warned = vi.spyOn(console, "warn").mockReturnValue();
    for (let n = 0; n < 2; n += 1) breakerClient(env, name, { ...policy, isFault: () => false });
    expect(warningsAbout(name, warned)).toEqual([]);
    warned.mockRestore();
  });
});
