import { nextPingAt, type HeartbeatSchedule } from "./schedule.ts";

/**
 * The life of a heartbeat, as healthchecks.io defines it. Pure; times in milliseconds.
 *
 *     new ----ping----> up <--------ping-------- down
 *      |                |  '--fail, or too late--> ^
 *      |                v                          |
 *      '---pause---> paused ---ping---> up    fail-'
 */

export type Expectation = { schedule: HeartbeatSchedule; graceMs: number };

/** `rid`: the id of the run that its client chose, or null. */
type Started = { at: number; rid: string | null };

/** `late`: no ping came in time. `overran`: a run began and did not end in time. */
export const downReasons = ["late", "overran", "failed"] as const;
export type DownReason = (typeof downReasons)[number];

/** `started`: the run that is under way. `lastDurationMs`: of the last run that ended. */
type Run = { lastPingAt: number | null; lastDurationMs: number | null; started: Started | null };

export type HeartbeatState = Run &
  (
    | { status: "new" }
    | { status: "paused" }
    | { status: "up"; lastPingAt: number }
    | { status: "down"; since: number; because: DownReason }
  );

export const newHeartbeat: HeartbeatState = {
  status: "new",
  lastPingAt: null,
  lastDurationMs: null,
  started: null,
};

export const pingKinds = ["success", "start", "fail", "log"] as const;
export type PingKind = (typeof pingKinds)[number];
export type Ping = { kind: PingKind; rid: string | null; at: number };

/** A change that is notified. */
export type Flip =
  | { at: number; to: "down"; because: DownReason }
  | { at: number; to: "up"; because: "recovered" | "paused" };

/** `durationMs`: of the run that a ping ended. */
export type Changed = { state: HeartbeatState; flips: Flip[]; durationMs?: number | null };

/** Since when the heartbeat is late; null if it cannot be. */
export function lateFrom(state: HeartbeatState, { schedule }: Expectation): number | null {
  if (state.status === "down") return null;
  const expected = state.status === "up" ? nextPingAt(schedule, state.lastPingAt) : Infinity;
  const from = Math.min(expected, state.started?.at ?? Infinity);
  return Number.isFinite(from) ? from : null;
}

/** When it goes down without a ping; null if it does not. */
export function downAt(state: HeartbeatState, expected: Expectation): number | null {
  const from = lateFrom(state, expected);
  return from === null ? null : from + expected.graceMs;
}

export const shownStatuses = ["new", "up", "late", "down", "paused"] as const;
export type ShownStatus = (typeof shownStatuses)[number];

/** What a person sees: `late` is up, past its time and within its grace. */
export function statusShown(
  state: HeartbeatState,
  { schedule, graceMs }: Expectation,
  now: number,
): ShownStatus {
  const due = downAt(state, { schedule, graceMs });
  if (due !== null && now >= due) return "down";
  if (state.status !== "up") return state.status;
  return now >= nextPingAt(schedule, state.lastPingAt) ? "late" : "up";
}

/** The heartbeat as time passes: an alarm, or a ping that comes after its deadline. */
export function afterTime(state: HeartbeatState, expected: Expectation, now: number): Changed {
  const due = downAt(state, expected);
  if (due === null || now < due) return { state, flips: [] };
  const { lastPingAt, lastDurationMs, started } = state;
  const because = started !== null && started.at + expected.graceMs <= due ? "overran" : "late";
  const down = { status: "down" as const, lastPingAt, lastDurationMs, started };
  return {
    state: { ...down, since: due, because },
    flips: [{ at: due, to: "down", because }],
  };
}

/** What a ping makes of the heartbeat. A deadline before it is counted first. */
export function afterPing(before: HeartbeatState, expected: Expectation, ping: Ping): Changed {
  const { state, flips } = afterTime(before, expected, ping.at);
  const { kind, rid, at } = ping;
  switch (kind) {
    case "log":
      return { state, flips };
    case "start":
      return { state: { ...state, started: { at, rid } }, flips };
    case "success":
    case "fail": {
      const isItsRun = state.started?.rid === rid && at >= (state.started?.at ?? at);
      const durationMs = isItsRun && state.started !== null ? at - state.started.at : null;
      // A run that has another id goes on, unless this ping is about none, or a failure, or the run
      // has taken too long already.
      const isOver = at >= (state.started?.at ?? at) + expected.graceMs;
      const ends = isItsRun || kind === "fail" || rid === null || isOver;
      const run = { lastPingAt: at, lastDurationMs: durationMs };
      const started = ends ? null : state.started;
      const next = kind === "fail" ? failed({ ...run, started }, state, at) : { ...run, started };
      const flip = flipBetween(state, kind, at);
      return {
        state: "status" in next ? next : { ...next, status: "up" },
        flips: flip === null ? flips : [...flips, flip],
        durationMs,
      };
    }
  }
}

function failed(run: Run, before: HeartbeatState, at: number): HeartbeatState {
  const since = before.status === "down" ? before.since : at;
  return { ...run, status: "down", since, because: "failed" };
}

function flipBetween({ status }: HeartbeatState, kind: PingKind, at: number): Flip | null {
  if (kind === "fail") return status === "down" ? null : { at, to: "down", because: "failed" };
  return status === "down" ? { at, to: "up", because: "recovered" } : null;
}

/** A paused heartbeat expects nothing. The next ping resumes it, and so does an operator. */
export function pausedAt(state: HeartbeatState, now: number): Changed {
  const { lastPingAt, lastDurationMs } = state;
  return {
    state: { status: "paused", lastPingAt, lastDurationMs, started: null },
    flips: state.status === "down" ? [{ at: now, to: "up", because: "paused" }] : [],
  };
}

/** It expects nothing until its next ping, as a new one. */
export function resumed(state: HeartbeatState): Changed {
  return state.status === "paused" ? { state: newHeartbeat, flips: [] } : { state, flips: [] };
}
