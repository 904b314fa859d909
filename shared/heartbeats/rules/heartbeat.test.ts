import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs, seed } from "../../../test/support/seed.ts";
import {
  afterPing,
  afterTime,
  downAt,
  newHeartbeat,
  pausedAt,
  resumed,
  statusShown,
  type Changed,
  type Flip,
  type HeartbeatState,
  type PingKind,
} from "./heartbeat.ts";

const MINUTE = 60_000;
const expected = { schedule: { every: "10m" }, graceMs: 5 * MINUTE };
const ping = (state: HeartbeatState, kind: PingKind, at: number, rid: string | null = null) =>
  afterPing(state, expected, { kind, rid, at: at * MINUTE });
const up = ping(newHeartbeat, "success", 0).state;
const shown = (state: HeartbeatState, at: number) => statusShown(state, expected, at * MINUTE);

describe("a heartbeat", () => {
  it("that is new expects nothing, and is up after its first ping, without a notice", () => {
    expect(downAt(newHeartbeat, expected)).toBeNull();
    expect(ping(newHeartbeat, "success", 0)).toMatchObject({ state: { status: "up" }, flips: [] });
  });

  it("is late after its time, and down after its grace, once", () => {
    expect([9, 10, 14, 15].map((at) => shown(up, at))).toEqual(["up", "late", "late", "down"]);
    const down = afterTime(up, expected, 99 * MINUTE);
    expect(down.flips).toEqual([{ at: 15 * MINUTE, to: "down", because: "late" }]);
    expect(afterTime(down.state, expected, 999 * MINUTE).flips).toEqual([]);
  });

  it("that fails is down at once, and a later success is a recovery", () => {
    const down = ping(up, "fail", 1);
    expect(down.flips).toEqual([{ at: MINUTE, to: "down", because: "failed" }]);
    expect(ping(down.state, "fail", 2).flips).toEqual([]);
    expect(ping(down.state, "success", 3).flips).toEqual([
      { at: 3 * MINUTE, to: "up", because: "recovered" },
    ]);
  });

  it("whose ping comes after its deadline was down, although no alarm came", () => {
    expect(ping(up, "success", 20).flips).toEqual([
      { at: 15 * MINUTE, to: "down", because: "late" },
      { at: 20 * MINUTE, to: "up", because: "recovered" },
    ]);
  });

  it("whose run takes longer than its grace is down, also before its next time", () => {
    const started = ping(up, "start", 1).state;
    expect(afterTime(started, expected, 6 * MINUTE).flips).toEqual([
      { at: 6 * MINUTE, to: "down", because: "overran" },
    ]);
  });

  it("has the duration of a run whose start has the same id, and no other", () => {
    const started = ping(up, "start", 1, "a").state;
    expect(ping(started, "success", 3, "b")).toMatchObject({
      durationMs: null,
      state: { started: { rid: "a" } },
    });
    expect(ping(started, "success", 3, "a")).toMatchObject({
      durationMs: 2 * MINUTE,
      state: { started: null, lastDurationMs: 2 * MINUTE },
    });
  });

  it("takes a log without any change", () => {
    expect(ping(up, "log", 1)).toEqual({ state: up, flips: [] });
  });

  it("that is paused expects nothing; a ping resumes it, and so does an operator", () => {
    const down = afterTime(up, expected, 15 * MINUTE).state;
    const paused = pausedAt(down, 16 * MINUTE);
    expect(paused.flips).toEqual([{ at: 16 * MINUTE, to: "up", because: "paused" }]);
    expect(downAt(paused.state, expected)).toBeNull();
    expect(ping(paused.state, "success", 17)).toMatchObject({ state: { status: "up" }, flips: [] });
    expect(resumed(paused.state).state).toEqual(newHeartbeat);
  });
});

/** What can happen, in minutes since what happened before. */
const happenings = fc.array(
  fc.record({
    wait: fc.integer({ min: 0, max: 40 }),
    what: fc.constantFrom("success", "fail", "start", "log", "alarm", "pause", "resume"),
    rid: fc.constantFrom(null, "a", "b"),
  }),
  { maxLength: 60 },
);

it("in every history downs and ups alternate, and silence past the deadline is a down", () => {
  fc.assert(
    fc.property(happenings, (history) => {
      let state: HeartbeatState = newHeartbeat;
      let now = 0;
      const flips: Flip[] = [];
      for (const { wait, what, rid } of history) {
        now += wait * MINUTE;
        const due = downAt(state, expected);
        const changed = next(state, { what, rid, now });
        const isLate = due !== null && due <= now && what !== "pause" && what !== "resume";
        expect(!isLate || changed.flips[0]?.at === due).toBe(true);
        flips.push(...changed.flips);
        state = changed.state;
        const after = downAt(state, expected);
        expect(after === null || after > now || what === "pause" || what === "resume").toBe(true);
        expect(state.status === "down").toBe(flips.at(-1)?.to === "down");
      }
      const tos = flips.map(({ to }) => to);
      expect(tos).toEqual(tos.map((_, n) => (n % 2 === 0 ? "down" : "up")));
      const ats = flips.map(({ at }) => at);
      expect(ats).toEqual(ats.toSorted((a, b) => a - b));
    }),
    { seed, numRuns: runs },
  );
});

type Happening = { what: string; rid: string | null; now: number };

function next(state: HeartbeatState, { what, rid, now }: Happening): Changed {
  if (what === "alarm") return afterTime(state, expected, now);
  if (what === "pause") return pausedAt(state, now);
  if (what === "resume") return resumed(state);
  return afterPing(state, expected, { kind: what as PingKind, rid, at: now });
}
