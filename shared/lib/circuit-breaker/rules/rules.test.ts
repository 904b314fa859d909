import { describe, expect, it } from "vitest";
import { firstOpenMs, nextOpenMs } from "./open-time.ts";
import { closedAt, initialBreaker, snapshot, type Breaker } from "./phase.ts";
import { beginRamp, countInRamp, shareAt } from "./ramp.ts";
import { addRequest, leaseMsAt, noRequests } from "./request-rate.ts";
import { defaultSettings as settings } from "./settings.ts";
import { decide, type Event } from "./state.ts";
import { fromWire, toWire } from "./wire.ts";

const start = 1_700_000_000_000;
const report = (failures: number, calls: number, more: object = {}): Event => ({
  type: "report",
  epoch: 1,
  failures,
  calls,
  ...more,
});
const apply = (breaker: Breaker, events: [number, Event][], rules = settings): Breaker =>
  events.reduce(
    (current, [ms, event]) => decide(current, event, rules, start + ms).breaker,
    breaker,
  );
/** A breaker that has seen a minute of 100 calls per second. */
const busy = apply(
  initialBreaker,
  Array.from({ length: 60 }, (_, second) => [(second - 60) * 1_000, report(0, 100)]),
);
const tenth = (from: number, until: number, event: Event): [number, Event][] =>
  Array.from({ length: (until - from) / 100 }, (_, n) => [from + n * 100, event]);

describe("evidence", () => {
  it("opens a busy breaker two seconds after all calls begin to fail, and not before", () => {
    const failing = report(10, 10, { after: 10 });
    expect(apply(busy, tenth(0, 1_900, failing)).phase.state).toBe("CLOSED");
    const open = apply(busy, tenth(0, 2_300, failing));
    expect(open.phase).toMatchObject({ state: "OPEN", durationMs: 30_000 });
  });

  it("is not diluted by the successes of the minute before", () => {
    const failing = report(10, 110, { after: 10, overMs: 5_000 });
    expect(apply(busy, tenth(0, 2_300, failing)).phase.state).toBe("OPEN");
  });

  it("counts calls that isolates hold back", () => {
    const holding = report(1, 1, { after: 1, held: 9 });
    expect(apply(busy, tenth(0, 2_300, holding)).phase.state).toBe("OPEN");
  });

  it.each([0.1, 1, 5])("never opens at %f %% errors for an hour", (percent) => {
    let breaker = busy;
    let failures = 0;
    for (let n = 0; n < 36_000; n += 1) {
      // Ten calls, and the failures are reported without their successes.
      failures += percent / 10;
      const now = failures >= 1 ? report(1, 1, { after: 1 }) : report(0, 10, { overMs: 5_000 });
      if (failures >= 1) failures -= 1;
      breaker = apply(breaker, [[n * 100, now]]);
    }
    expect(breaker.epoch).toBe(1);
  });

  it("opens at calls that are slow, if the policy defines slow calls", () => {
    const slow = report(0, 10, { after: 10, slow: 10 });
    const open = decide(apply(busy, tenth(0, 2_200, slow)), slow, settings, start + 2_300);
    expect(open.breaker.phase.state).toBe("OPEN");
    expect(apply(busy, tenth(0, 60_000, report(0, 10, { after: 5, slow: 5 }))).epoch).toBe(1);
  });
});

describe("the open time", () => {
  it("is the settings' at first, and what the dependency asked for up to a minute", () => {
    expect(firstOpenMs(settings, 0)).toBe(30_000);
    expect(firstOpenMs(settings, 45_000)).toBe(45_000);
    expect(firstOpenMs(settings, 3_600_000)).toBe(60_000);
  });

  it.each([
    ["five seconds in a busy fleet", { outageMs: 30_000, usual: 0.2 }, 5_000],
    ["twenty calls in a slow fleet", { outageMs: 30_000, usual: 0.002 }, 10_000],
    ["thirty seconds in a fleet without calls", { outageMs: 30_000, usual: 0 }, 30_000],
    ["a tenth of a long outage", { outageMs: 200_000, usual: 0.2 }, 20_000],
    ["a minute at most", { outageMs: 86_400_000, usual: 0.2 }, 60_000],
  ])("after a failed probe is %s", (_, outage, expected) => {
    expect(nextOpenMs(settings, { ...outage, retryAfterMs: 0 })).toBe(expected);
  });
});

describe("a ramp", () => {
  const ramp = beginRamp(settings, start);

  it("lets an eighth run at first and doubles it each second, up to all", () => {
    expect([0, 1_000, 2_000, 3_000, 9_000].map((ms) => shareAt(ramp, start + ms))).toEqual([
      0.125, 0.25, 0.5, 1, 1,
    ]);
  });

  it("falls to what the dependency took, and grows half as fast from there", () => {
    const counted = countInRamp(
      ramp,
      { failures: 9, calls: 18, usual: 0.1 },
      settings,
      start + 1_000,
    );
    expect(counted).toMatchObject({ share: expect.closeTo(0.1125, 3), doublesMs: 2_000 });
  });

  it("fails if nearly all of its calls do", () => {
    expect(
      countInRamp(ramp, { failures: 20, calls: 20, usual: 0.1 }, settings, start + 1_000),
    ).toBe("failed");
  });

  it("is CLOSED after a second in which all calls ran", () => {
    const halfOpen: Breaker = {
      ...initialBreaker,
      phase: {
        state: "HALF_OPEN",
        reopens: 0,
        permit: null,
        ramp,
        downSince: start,
        usual: 0.1,
      },
    };
    const at = (ms: number) => decide(halfOpen, { type: "look" }, settings, start + ms).transition;
    expect(at(3_900)).toBeNull();
    expect(at(4_000)).toMatchObject({ to: "CLOSED", cause: "recovered" });
  });

  it.each([
    [0.2, "OPEN"],
    [0.7, "CLOSED"],
  ] as const)("at %f is %s for an isolate of an earlier release", (share, state) => {
    const told = toWire(
      {
        state: "HALF_OPEN",
        epoch: 3,
        leaseMs: 1_000,
        retryAfterMs: 0,
        override: { kind: "none" },
        ramp: { share, doublesMs: 1_000 },
      },
      start + 1_234,
    );
    expect(told.state).toBe(state);
    expect(told.retryAfterMs).toBeLessThanOrEqual(5_000);
    expect(fromWire(told)).toMatchObject({ state: "HALF_OPEN", retryAfterMs: 0, ramp: { share } });
  });
});

describe("a snapshot", () => {
  it("is fresh for up to four times as long if the object is asked too often", () => {
    const asked = (perSecond: number): number => {
      let rate = noRequests;
      for (let n = 0; n < perSecond * 30; n += 1)
        rate = addRequest(rate, start + Math.floor((n * 1_000) / perSecond));
      return leaseMsAt(rate, settings.leaseMs, start + 30_000);
    };
    expect(asked(250)).toBe(5_000);
    expect(asked(600)).toBeGreaterThan(9_000);
    expect(asked(5_000)).toBe(20_000);
  });

  it("has isolates pause after more failures in a row where more calls fail", () => {
    const failing = apply(initialBreaker, [[0, report(300, 1_000)]]);
    expect(snapshot(initialBreaker, settings, start).inARow).toBe(5);
    expect(snapshot(failing, settings, start).inARow).toBeGreaterThan(7);
    expect(closedAt(start, 0).evidence).toBeNull();
  });
});
