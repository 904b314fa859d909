import { describe, expect, it } from "vitest";
import { initialBreaker, snapshot, type Breaker } from "./phase.ts";
import { defaultSettings as settings } from "./settings.ts";
import { decide, type Event } from "./state.ts";
import type { Command } from "./transition.ts";

const start = 1_700_000_000_000;

/** Applies events one after the other, each at its own time after the start. */
function after(events: [number, Event][], from: Breaker = initialBreaker): Breaker {
  return events.reduce(
    (breaker, [ms, event]) => decide(breaker, event, settings, start + ms).breaker,
    from,
  );
}

const fail = (epoch = 1, failures = 1, calls = failures): Event => ({
  type: "report",
  epoch,
  failures,
  calls,
});
const acquire = (id: string, cold = false): Event => ({
  type: "acquire",
  id,
  lastsMs: 10_000,
  cold,
});
const ended = (permitId: string, outcome: "success" | "failure" | "ignored"): Event => ({
  type: "probe-ended",
  permitId,
  outcome,
});
const asked = (command: Command): Event => ({
  type: "command",
  command,
  actor: "ada",
  reason: "testing",
});
const look = (breaker: Breaker, ms: number) => snapshot(breaker, settings, start + ms);

const open = after([[0, fail(1, 5)]]);
const halfOpen = after([[30_000, acquire("p1")]], open);

describe("an open breaker states why", () => {
  const reported = { ...fail(1, 5), lastError: "connect ECONNREFUSED" } as Event;

  it("with the last error beside the counts, if the report has one", () => {
    expect(decide(initialBreaker, reported, settings, start).transition?.reason).toBe(
      "5 of 5 calls failed: connect ECONNREFUSED",
    );
    expect(decide(initialBreaker, fail(1, 5), settings, start).transition?.reason).toBe(
      "5 of 5 calls failed",
    );
  });

  it("with the error of the probe that failed", () => {
    const failed = { ...ended("p1", "failure"), lastError: "no answer" } as Event;
    expect(decide(halfOpen, failed, settings, start + 30_001).transition).toMatchObject({
      cause: "probe-failed",
      reason: "no answer",
    });
  });
});

describe("a closed breaker", () => {
  it("opens at five failures of one call each, from any isolates", () => {
    const four = after([0, 1, 2, 3].map((ms) => [ms, fail()]));
    expect(look(four, 4).state).toBe("CLOSED");
    expect(look(after([[4, fail()]], four), 4)).toEqual({
      state: "OPEN",
      epoch: 2,
      leaseMs: 5_000,
      retryAfterMs: 30_000,
      override: { kind: "none" },
    });
  });

  it("stays closed while failures are less than half of the calls", () => {
    expect(look(after([[0, fail(1, 50, 101)]]), 0).state).toBe("CLOSED");
    expect(look(after([[0, fail(1, 50, 100)]]), 0).state).toBe("OPEN");
  });

  it("counts a cold call when it asks, so that a fleet of isolates that serve one call each stays closed with one failure in a thousand", () => {
    let breaker = initialBreaker;
    for (let second = 0; second < 20; second += 1) {
      const calls = Array.from({ length: 1_000 }, (_, n): [number, Event] => [
        second * 1_000 + n,
        acquire(`p${n}`, true),
      ]);
      breaker = after([...calls, [second * 1_000, fail(1, 1, 0)]], breaker);
    }
    expect(look(breaker, 20_000)).toMatchObject({ state: "CLOSED", epoch: 1 });
  });

  it("opens all the same when an eviction has forgotten the calls of which the failures were a part", () => {
    expect(look(after([[0, fail(1, 5, 0)]]), 0).state).toBe("OPEN");
  });

  it("is never opened by a report without a failure", () => {
    const mostly = after([
      [0, fail(1, 0, 5)],
      [0, fail(1, 5, 6)],
    ]);
    expect(look(mostly, 0).state).toBe("CLOSED");
    expect(look(after([[0, fail(1, 0, -1)]], mostly), 0).state).toBe("CLOSED");
  });

  it("forgets failures that are older than the window", () => {
    const spread = after([0, 20_000, 40_000, 60_000, 80_000].map((ms) => [ms, fail()]));
    expect(look(spread, 80_000).state).toBe("CLOSED");
  });

  it("records one transition however many failures arrive at once", () => {
    const results = [fail(1, 5), fail(1, 5), fail(1, 5)].reduce<{
      breaker: Breaker;
      transitions: number;
    }>(
      (sum, event) => {
        const { breaker, transition } = decide(sum.breaker, event, settings, start);
        return { breaker, transitions: sum.transitions + (transition === null ? 0 : 1) };
      },
      { breaker: initialBreaker, transitions: 0 },
    );
    expect(results).toMatchObject({ transitions: 1, breaker: { epoch: 2 } });
  });

  it("asks to be written down for failures, and not for successes alone", () => {
    expect(decide(initialBreaker, fail(1, 1, 0), settings, start).persist).toBe(true);
    expect(decide(initialBreaker, fail(1, 0, 1_000), settings, start).persist).toBe(false);
    expect(decide(initialBreaker, acquire("p1"), settings, start)).toMatchObject({
      persist: false,
      granted: false,
    });
    expect(decide(initialBreaker, acquire("p1", true), settings, start)).toMatchObject({
      persist: false,
      granted: false,
    });
  });
});

describe("an open breaker", () => {
  it("gives no permit before its time is over", () => {
    expect(decide(open, acquire("p1"), settings, start + 29_999).granted).toBe(false);
    expect(look(open, 29_999).retryAfterMs).toBe(1);
  });

  it("gives the permit to one waiting call, for as long as that asks for", () => {
    expect(decide(open, acquire("p1"), settings, start + 30_000)).toMatchObject({
      granted: true,
      breaker: { epoch: 3 },
    });
    expect(decide(halfOpen, acquire("p2"), settings, start + 30_001).granted).toBe(false);
    expect(look(halfOpen, 30_001)).toMatchObject({ state: "HALF_OPEN", retryAfterMs: 1_000 });
  });

  it("gives it to a cold call too, which runs already", () => {
    expect(decide(open, acquire("p1", true), settings, start + 30_000).granted).toBe(true);
  });

  it("takes no notice of failures and successes from before it opened", () => {
    expect(after([[10_000, fail(1, 100)]], open)).toEqual(open);
    expect(after([[10_000, fail(1, 0, 100)]], open)).toEqual(open);
    expect(after([[10_000, acquire("p1", true)]], open)).toEqual(open);
  });
});

describe("a half-open breaker", () => {
  it("closes when the permitted call succeeds, and starts to count afresh", () => {
    const closed = after([[31_000, ended("p1", "success")]], halfOpen);
    expect(look(closed, 31_000)).toMatchObject({ state: "CLOSED", epoch: 4 });
    expect(look(after([[31_001, fail(4, 4)]], closed), 31_001).state).toBe("CLOSED");
    expect(look(after([[31_001, fail(1, 50)]], closed), 31_001).state).toBe("CLOSED");
  });

  it("opens for thirty seconds again when it fails in a fleet without traffic", () => {
    const reopened = after([[31_000, ended("p1", "failure")]], halfOpen);
    expect(look(reopened, 31_000)).toMatchObject({ state: "OPEN", retryAfterMs: 30_000 });
  });

  it("frees the permit of a probe that never returns, and of one that does not count", () => {
    expect(decide(halfOpen, acquire("p2"), settings, start + 40_000).granted).toBe(true);
    const ignored = after([[31_000, ended("p1", "ignored")]], halfOpen);
    expect(decide(ignored, acquire("p2"), settings, start + 31_000).granted).toBe(true);
  });

  it.each(["success", "failure", "ignored"] as const)(
    "takes no notice of a forged permit that reports %s",
    (outcome) => {
      expect(after([[31_000, ended("p9", outcome)]], halfOpen)).toEqual(halfOpen);
    },
  );

  it.each(["success", "failure", "ignored"] as const)(
    "an expired permit that reports %s is gone, and moves nothing",
    (outcome) => {
      const late = after([[40_000, ended("p1", outcome)]], halfOpen);
      expect(late).toEqual({
        ...halfOpen,
        phase: { ...halfOpen.phase, permit: null },
      });
      const back = after([[-3_600_000, ended("p1", outcome)]], late);
      expect(back).toMatchObject({ epoch: 3, phase: { state: "HALF_OPEN", permit: null } });
    },
  );

  it("takes no notice of a permit that was used", () => {
    const closed = after([[31_000, ended("p1", "success")]], halfOpen);
    expect(after([[31_001, ended("p1", "failure")]], closed)).toEqual(closed);
  });
});

describe("an operator", () => {
  it("resets: closed, and nothing counted before counts", () => {
    const reset = after([[1_000, asked({ do: "reset" })]], open);
    expect(look(reset, 1_000)).toMatchObject({
      state: "CLOSED",
      epoch: 3,
      override: { kind: "none" },
    });
  });

  it("forces it open until a time, also if calls succeed, and then one call probes", () => {
    const forced = after([[0, asked({ do: "open", forMs: 600_000 })]]);
    expect(look(forced, 599_999)).toMatchObject({
      state: "OPEN",
      retryAfterMs: 1,
      override: { kind: "forced-open", ends: true },
    });
    expect(decide(forced, acquire("p1"), settings, start + 599_999).granted).toBe(false);
    expect(decide(forced, acquire("p1"), settings, start + 600_000).granted).toBe(true);
    const failed = after(
      [
        [600_000, acquire("p1")],
        [600_000, ended("p1", "failure")],
      ],
      forced,
    );
    expect(look(failed, 600_000).retryAfterMs).toBe(30_000);
  });

  it("forces it open for good, until an operator lifts that", () => {
    const forced = after([[0, asked({ do: "open", forMs: null })]]);
    expect(decide(forced, acquire("p1"), settings, start + 1e12)).toMatchObject({ granted: false });
    expect(look(forced, 1e12)).toMatchObject({ state: "OPEN", retryAfterMs: 5_000 });
    expect(look(after([[1e12, asked({ do: "enable" })]], forced), 1e12)).toMatchObject({
      state: "CLOSED",
      override: { kind: "none" },
    });
  });

  it("that forces it closed sees what is counted, and no transition of it", () => {
    const closed = after([[0, asked({ do: "close" })]]);
    const { transition, breaker } = decide(closed, fail(closed.epoch, 50), settings, start + 1);
    expect(transition).toBeNull();
    expect(breaker.phase).toMatchObject({ state: "CLOSED", window: [{ failures: 50 }] });
  });

  it.each(["close", "disable"] as const)("keeps it closed whichever calls fail: %s", (command) => {
    const forced = after([[0, asked({ do: command })]], open);
    const hammered = after([[1, fail(forced.epoch, 1_000)]], forced);
    expect(look(hammered, 1)).toMatchObject({ state: "CLOSED", retryAfterMs: 0 });
  });

  it("that disables it stops the counting too", () => {
    const disabled = after([[0, asked({ do: "disable" })]]);
    expect(decide(disabled, fail(disabled.epoch, 5), settings, start)).toMatchObject({
      persist: false,
      breaker: disabled,
    });
  });

  it("is named in the history with the reason", () => {
    const { transition } = decide(open, asked({ do: "reset" }), settings, start);
    expect(transition).toEqual({
      from: "OPEN",
      to: "CLOSED",
      epoch: 3,
      at: start,
      cause: "reset",
      actor: "ada",
      reason: "testing",
    });
  });
});

describe("a clock that is set an hour back", () => {
  const hourBack = -3_600_000;

  it("makes no call wait longer than the open time, and the correction is written down", () => {
    expect(look(open, hourBack).retryAfterMs).toBe(30_000);
    expect(decide(open, acquire("p1"), settings, start + hourBack)).toMatchObject({
      persist: true,
      breaker: { phase: { openedAt: start + hourBack } },
    });
  });

  it("frees a lost permit after its time", () => {
    const back = after([[hourBack, acquire("p2")]], halfOpen);
    expect(decide(back, acquire("p2"), settings, start + hourBack + 9_999).granted).toBe(false);
    expect(decide(back, acquire("p2"), settings, start + hourBack + 10_000).granted).toBe(true);
  });

  it("is corrected in what is stored too, so that an eviction brings no old failures back", () => {
    const four = after([[0, fail(1, 4)]]);
    const looked = decide(four, { type: "look" }, settings, start + hourBack);
    expect(looked.persist).toBe(true);
    const later = start + hourBack + 3_000_000;
    expect(decide(looked.breaker, fail(1, 1), settings, later).transition).toBeNull();
  });

  it("still forgets what was counted", () => {
    const four = after([
      [0, fail(1, 4)],
      [hourBack, fail(1, 0, 1)],
    ]);
    expect(look(after([[hourBack + 66_000, fail(1, 1)]], four), hourBack + 66_000).state).toBe(
      "CLOSED",
    );
  });
});
