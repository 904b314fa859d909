import { beforeEach, expect, it } from "vitest";
import { VirtualClock } from "../../../../test/support/virtual-clock.ts";
import { Announcer, type Announced, type BreakerStanding } from "./announcer.ts";

const DAY_MS = 86_400_000;
const START = Date.parse("2026-11-29T12:00:00Z");
let clock: VirtualClock;
let state: BreakerStanding["state"];
let taken: string[];
let asked: number;
let saved: Announced | null;
let wakeAt: number[];
let errors: unknown[];
let how: "takes" | "refuses" | "hangs";

beforeEach(() => {
  clock = new VirtualClock(START);
  [state, taken, asked, saved, wakeAt, errors, how] = ["CLOSED", [], 0, null, [], [], "takes"];
});

/** As the object makes one when it is loaded. */
const load = (): Announcer =>
  new Announcer({
    announce: async (standing) => {
      asked += 1;
      if (how === "refuses") throw new Error("not now");
      if (how === "hangs") await new Promise(() => undefined);
      taken.push(standing.state);
    },
    standing: () => ({
      name: "prices",
      object: "a1",
      state,
      epoch: 1,
      override: "none",
      last: null,
      outage: null,
    }),
    mark: () => state,
    announced: saved,
    save: (announced) => (saved = announced),
    wakeAt: async (at) => void wakeAt.push(at),
    clock,
    background: (work) => void work.catch((error: unknown) => errors.push(error)),
    onError: (error) => errors.push(error),
  });
const settle = () => clock.advance(0);

it("a breaker announces itself once when it is used, and not when it is looked at", async () => {
  const announcer = load();
  announcer.touch(false);
  await settle();
  expect(taken).toEqual([]);
  for (let n = 0; n < 10; n += 1) announcer.touch(true);
  await settle();
  load().touch(true);
  await settle();
  expect(taken).toEqual(["CLOSED"]);
});

it("a breaker announces each change, also one that comes while it announces", async () => {
  const announcer = load();
  announcer.touch(true);
  await settle();
  state = "OPEN";
  announcer.touch(true);
  state = "HALF_OPEN";
  announcer.touch(false);
  await settle();
  expect(taken).toEqual(["CLOSED", "OPEN", "HALF_OPEN"]);
});

it("a breaker announces itself daily while it is used, and no more once it is not", async () => {
  const announcer = load();
  announcer.touch(true);
  await clock.advance(DAY_MS - 1);
  announcer.touch(true);
  await settle();
  expect(taken).toHaveLength(1);
  await clock.advance(1);
  announcer.touch(false);
  await settle();
  expect(taken).toHaveLength(1);
  announcer.touch(true);
  await settle();
  expect(taken).toHaveLength(2);
});

it("an announcement that fails is repeated after 30 s, later and later, also without a call", async () => {
  how = "refuses";
  const announcer = load();
  announcer.touch(true);
  await settle();
  expect(wakeAt).toEqual([START + 30_000]);
  for (let n = 0; n < 100; n += 1) announcer.touch(true);
  await settle();
  expect(asked).toBe(1);
  for (let n = 0; n < 20; n += 1) {
    await clock.advance((wakeAt.at(-1) ?? 0) - clock.now());
    await announcer.retry();
  }
  const waits = wakeAt.map((at, n) => at - (wakeAt[n - 1] ?? START));
  expect(waits.slice(0, 4)).toEqual([30_000, 60_000, 120_000, 240_000]);
  expect(Math.max(...waits)).toBe(3_600_000);
  how = "takes";
  await announcer.retry();
  expect(taken).toEqual(["CLOSED"]);
  expect(errors).toHaveLength(21);
});

it("an announcement that failed is repeated by the object that its alarm loads again", async () => {
  how = "refuses";
  load().touch(true);
  await settle();
  how = "takes";
  await load().retry();
  await load().retry();
  expect(taken).toEqual(["CLOSED"]);
});

it("an announcement that hangs fails after five seconds, and throws nothing at a caller", async () => {
  how = "hangs";
  const announcer = load();
  announcer.touch(true);
  await clock.advance(5_000);
  expect(errors).toMatchObject([{ name: "TimeoutError" }]);
  expect(wakeAt).toEqual([START + 35_000]);
});

it("a storage that fails throws nothing at a caller", () => {
  const announcer = new Announcer({
    announce: async () => undefined,
    standing: () => expect.fail(),
    mark: () => "",
    announced: null,
    save: () => {
      throw new Error("full");
    },
    wakeAt: async () => undefined,
    clock,
    background: () => undefined,
    onError: (error) => errors.push(error),
  });
  announcer.touch(true);
  expect(errors).toHaveLength(1);
});
