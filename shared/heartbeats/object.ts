import { DurableObject } from "cloudflare:workers";
import { DAY_MS } from "../lib/base/clock.ts";
import { within } from "../lib/base/deadline.ts";
import { ok } from "../lib/base/result.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { validate } from "../lib/worker/validate.ts";
import { reportSoon, type TelemetryEnv } from "../telemetry/isolate.ts";
import { notifyWithoutDatabase, reportFlip, type ReportEnv } from "./report-flip.ts";
import {
  afterPing,
  afterTime,
  downAt,
  lateFrom,
  newHeartbeat,
  pausedAt,
  resumed,
  statusShown,
  type Changed,
  type HeartbeatState,
} from "./rules/heartbeat.ts";
import {
  heartbeatDefinition,
  pingRequest,
  pingsPage,
  type HeartbeatDefinition,
  type HeartbeatReply,
  type HeartbeatRpc,
  type PingRequest,
} from "./rules/rpc.ts";
import {
  countPings,
  createHeartbeatTables,
  dropEarlierFlips,
  markFlipNotified,
  markFlipReported,
  readEnd,
  readFlips,
  readHeartbeat,
  readPings,
  readRetryAt,
  reportsSince,
  saveEnd,
  saveHeartbeat,
  savePing,
  saveRetryAt,
  type StoredHeartbeat,
} from "./stored-heartbeat.ts";

/** How long D1 may take before the webhook is notified without it. */
const D1_TIMEOUT_MS = 10_000;
/** While D1 does not answer. */
const RETRY_MS = 60_000;
/** Who knows the URL can make it fail and recover without an end: its owner is not flooded. */
const MAX_REPORTS = 10;
const REPORTS_MS = 3_600_000;
/** How long after a deletion a definition that was sent before it may arrive. */
const END_KEPT_MS = DAY_MS;

/**
 * One heartbeat, named by its token. Pings and its alarm need neither D1 nor `luna-cron`, so that
 * silence is noticed when those are down.
 */
export class Heartbeat extends DurableObject<ReportEnv & TelemetryEnv> implements HeartbeatRpc {
  readonly #sql: SqlStorage;
  /** Replaced by tests. */
  clock: () => number = Date.now;

  constructor(ctx: DurableObjectState, env: ReportEnv & TelemetryEnv) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
  }

  async define(definition: HeartbeatDefinition): ReturnType<HeartbeatRpc["define"]> {
    const checked = validate(heartbeatDefinition, definition);
    if (!checked.ok) return checked;
    const next = checked.value;
    // No token is used again.
    if (readEnd(this.#sql) !== null) return ok(null);
    createHeartbeatTables(this.#sql);
    const before = readHeartbeat(this.#sql);
    if (before !== null && before.definition.revision >= next.revision) return ok(null);
    const now = this.clock();
    const passed = before === null ? { state: newHeartbeat, flips: [] } : timePassed(before, now);
    const isAsked = next.pauseRevision > (before?.definition.pauseRevision ?? 0);
    const { state, flips } = isAsked ? asked(passed.state, next.isPaused, now) : passed;
    await this.#save({ definition: next, state }, isAsked ? [...passed.flips, ...flips] : flips);
    return ok(null);
  }

  async ping(ping: PingRequest): ReturnType<HeartbeatRpc["ping"]> {
    const checked = validate(pingRequest, ping);
    if (!checked.ok) return checked;
    const stored = readHeartbeat(this.#sql);
    if (stored === null) return ok({ isKnown: false });
    const { definition, state } = stored;
    const at = this.clock();
    const { kind, rid, exitStatus, method, body } = checked.value;
    const changed = afterPing(state, definition, { kind, rid, at });
    const durationMs = changed.durationMs ?? null;
    await this.#save({ definition, state: changed.state }, changed.flips, () =>
      savePing(this.#sql, { at, kind, rid, exitStatus, durationMs, method, body }),
    );
    return ok({ isKnown: true });
  }

  async inspect(): ReturnType<HeartbeatRpc["inspect"]> {
    const stored = readHeartbeat(this.#sql);
    return stored === null ? null : replyOf(stored, countPings(this.#sql), this.clock());
  }

  async listPings(page: Parameters<HeartbeatRpc["listPings"]>[0]) {
    const checked = validate(pingsPage, page);
    if (!checked.ok) return checked;
    const { before, limit } = checked.value;
    return ok(readHeartbeat(this.#sql) === null ? [] : readPings(this.#sql, before, limit));
  }

  async remove(): Promise<void> {
    const until = this.clock() + END_KEPT_MS;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    saveEnd(this.#sql, until);
    await this.ctx.storage.setAlarm(until);
  }

  async #forgetEnd(): Promise<void> {
    const until = readEnd(this.#sql);
    if (until === null) return;
    if (this.clock() < until) await this.ctx.storage.setAlarm(until);
    else await this.ctx.storage.deleteAll();
  }

  /** Never rejects: the next alarm tries again. */
  override async alarm(): Promise<void> {
    const stored = readHeartbeat(this.#sql);
    if (stored === null) return await this.#forgetEnd();
    try {
      const { state, flips } = timePassed(stored, this.clock());
      if (flips.length > 0) await this.#save({ ...stored, state }, flips);
      await this.#report(stored.definition);
    } catch (error) {
      log("error", "heartbeat.failed", describeError(error));
    } finally {
      reportSoon(this.env);
      await this.#schedule();
    }
  }

  /** Notifying is left to the alarm: no ping waits for D1. */
  async #save(stored: StoredHeartbeat, flips: Changed["flips"], along = (): void => undefined) {
    this.ctx.storage.transactionSync(() => {
      saveHeartbeat(this.#sql, stored, flips);
      along();
    });
    await this.#schedule();
  }

  async #schedule(): Promise<void> {
    const stored = readHeartbeat(this.#sql);
    if (stored === null) return;
    const waits = readFlips(this.#sql).length > 0;
    const reportAt = waits ? (readRetryAt(this.#sql) ?? this.clock()) : null;
    const times = [reportAt, downAt(stored.state, stored.definition)].filter((at) => at !== null);
    if (times.length === 0) await this.ctx.storage.deleteAlarm();
    else await this.ctx.storage.setAlarm(Math.min(...times));
  }

  async #report(definition: HeartbeatDefinition): Promise<void> {
    const now = this.clock();
    const reported = reportsSince(this.#sql, now - REPORTS_MS + 1, now);
    const room = MAX_REPORTS - reported.length;
    if (readFlips(this.#sql).length > room) dropEarlierFlips(this.#sql);
    if (room <= 0) {
      saveRetryAt(this.#sql, (reported[0] ?? now) + REPORTS_MS);
      return;
    }
    let isDown = false;
    for (const { n, flip, isNotified } of readFlips(this.#sql)) {
      const flipped = { definition, n, flip };
      try {
        if (isDown) throw new Error("D1 does not answer");
        const report = reportFlip(this.env, { ...flipped, isNotified }, this.clock);
        await within(D1_TIMEOUT_MS, report);
        markFlipReported(this.#sql, n, this.clock());
      } catch (error) {
        if (!isDown) log("error", "heartbeat.database_down", describeError(error));
        isDown = true;
        if (!isNotified && (await notifyWithoutDatabase(this.env, flipped)))
          markFlipNotified(this.#sql, n);
      }
    }
    saveRetryAt(this.#sql, isDown ? this.clock() + RETRY_MS : null);
  }
}

const timePassed = ({ state, definition }: StoredHeartbeat, now: number): Changed =>
  afterTime(state, definition, now);

const asked = (state: HeartbeatState, isPaused: boolean, now: number): Changed =>
  isPaused ? pausedAt(state, now) : resumed(state);

function replyOf({ definition, state }: StoredHeartbeat, pings: number, now: number) {
  const reply: HeartbeatReply = {
    status: statusShown(state, definition, now),
    lastPingAt: state.lastPingAt,
    lastDurationMs: state.lastDurationMs,
    startedAt: state.started?.at ?? null,
    lateFrom: lateFrom(state, definition),
    downAt: downAt(state, definition),
    down: state.status === "down" ? { since: state.since, because: state.because } : null,
    pings,
  };
  return reply;
}
