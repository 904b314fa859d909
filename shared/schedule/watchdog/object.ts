import { DurableObject } from "cloudflare:workers";
import { alertChannels, type AlertEnv } from "../../alerts/channels.ts";
import type { Finding } from "../../alerts/rules/evaluate.ts";
import { alertSettings, type AlertVariables } from "../../alerts/settings.ts";
import { markFiredSaid } from "../../alerts/sql/alerts.ts";
import { noteFindings, sayNotices, type Say } from "../../alerts/watch.ts";
import { within } from "../../lib/base/deadline.ts";
import { ok } from "../../lib/base/result.ts";
import { describeError, log } from "../../lib/worker/log.ts";
import { validate } from "../../lib/worker/validate.ts";
import { counters } from "../../telemetry/counters.ts";
import { reportSoon, type TelemetryEnv } from "../../telemetry/isolate.ts";
import { nextLook, overdue, overdueFindings } from "./rules/overdue.ts";
import { watched, type TaskWatchdogRpc, type Watched } from "./rules/rpc.ts";
import {
  createTables,
  forgetTold,
  forgetToldDirectly,
  readTold,
  readToldDirectly,
  readWatched,
  saveTold,
  saveToldDirectly,
  saveWatched,
} from "./stored-deadlines.ts";

/** What the watchdog reads and writes: D1 and the channels of alerts. */
export type WatchdogEnv = AlertEnv & TelemetryEnv & AlertVariables;

/** D1 may not answer at all; then the webhook is told past it. */
const D1_TIMEOUT_MS = 5_000;
const SAY_TIMEOUT_MS = 60_000;

/**
 * Watches that every scheduled task runs again in time. Its alarm is set for the earliest moment by
 * which one should have, so that it speaks up although nothing calls it any more: the trigger,
 * `luna-cron` or what it needs may be dead.
 */
export class TaskWatchdog extends DurableObject<WatchdogEnv> implements TaskWatchdogRpc {
  readonly #sql: SqlStorage;
  /** Replaced by tests. */
  clock: () => number = Date.now;

  constructor(ctx: DurableObjectState, env: WatchdogEnv) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    createTables(this.#sql);
  }

  async report(tasks: Watched[]): ReturnType<TaskWatchdogRpc["report"]> {
    const checked = validate(watched, tasks);
    if (!checked.ok) return checked;
    this.ctx.storage.transactionSync(() => saveWatched(this.#sql, checked.value));
    // Those of which somebody was told are looked at at once: they run again.
    const isTold = readTold(this.#sql).length > 0 || readToldDirectly(this.#sql).length > 0;
    await this.#wakeUp(isTold ? this.clock() : null);
    return ok(null);
  }

  async inspect(): ReturnType<TaskWatchdogRpc["inspect"]> {
    const tasks = readWatched(this.#sql);
    return { watched: tasks.length, overdue: overdue(tasks, this.clock()) };
  }

  override async alarm(): Promise<void> {
    try {
      await this.#tell(this.clock());
    } catch (error) {
      log("error", "watchdog.failed", describeError(error));
    } finally {
      reportSoon(this.env);
      await this.#wakeUp(null);
    }
  }

  async #wakeUp(at: number | null): Promise<void> {
    const told = [...readTold(this.#sql), ...readToldDirectly(this.#sql)];
    const next = at ?? nextLook(readWatched(this.#sql), told, this.clock());
    if (next !== null) await this.ctx.storage.setAlarm(next);
  }

  async #tell(now: number): Promise<void> {
    const tasks = readWatched(this.#sql);
    const findings = overdueFindings(tasks, readTold(this.#sql), now);
    const late = overdue(tasks, now);
    for (const { task } of late) log("error", "task.overdue", { task });
    const settings = alertSettings(this.env);
    for (const { variable, message } of settings.wrong)
      log("error", "alert.misconfigured", { variable, problem: message });
    const channels = alertChannels(this.env, settings);
    if (findings.length > 0) await this.#note(findings, late, channels.webhook, now);
    // Neither a webhook nor a D1 that is broken keeps the other from saying what it can.
    const said = await Promise.allSettled([
      this.#sayDirectRecoveries(tasks, channels.webhook, now),
      ...(findings.length > 0
        ? [within(SAY_TIMEOUT_MS, sayNotices(this.env.DB, channels, this.clock))]
        : []),
    ]);
    for (const one of said)
      if (one.status === "rejected") log("error", "watchdog.failed", describeError(one.reason));
  }

  /** Writes down in D1 what is to be said; where that fails, says it past D1. */
  async #note(
    findings: Finding[],
    late: Watched[],
    say: Say | undefined,
    now: number,
  ): Promise<void> {
    // Before D1 has it: if its reply is lost, or this dies, its end is told all the same.
    for (const one of late) saveTold(this.#sql, one);
    try {
      await within(
        D1_TIMEOUT_MS,
        noteFindings(this.env.DB, findings, now, () => crypto.randomUUID()),
      );
      await this.#handOver(late, now);
    } catch (error) {
      // What says it is broken too. The webhook needs no database.
      log("error", "watchdog.database_down", describeError(error));
      await this.#tellDirectly(late, say, now);
      return;
    }
    for (const { key, holds } of findings)
      if (!holds) forgetTold(this.#sql, key.slice("overdue:".length));
  }

  /** D1 answers again, and has what the webhook was told past it: from now on it tells the rest. */
  async #handOver(late: Watched[], now: number): Promise<void> {
    const known = readToldDirectly(this.#sql).filter(({ task }) =>
      late.some((one) => one.task === task),
    );
    if (known.length === 0) return;
    const keys = known.map(({ task }) => `overdue:${task}`);
    await within(D1_TIMEOUT_MS, markFiredSaid(this.env.DB, keys, now));
    for (const { task } of known) forgetToldDirectly(this.#sql, task);
  }

  /** Once for each time that a task is overdue. */
  async #tellDirectly(late: Watched[], say: Say | undefined, now: number): Promise<void> {
    const told = new Map(readToldDirectly(this.#sql).map(({ task, dueBy }) => [task, dueBy]));
    for (const one of late.filter(({ task, dueBy }) => told.get(task) !== dueBy)) {
      const [finding] = overdueFindings([one], [], now);
      if (say === undefined || finding === undefined) continue;
      try {
        await say({
          id: `overdue:${one.task}:${one.dueBy}`,
          key: finding.key,
          kind: "fired",
          summary: finding.summary,
          at: now,
        });
        saveToldDirectly(this.#sql, one);
        counters.count("luna_alerts_sent_total", { channel: "webhook" });
      } catch (error) {
        counters.count("luna_alert_failures_total", { channel: "webhook" });
        log("error", "watchdog.webhook_failed", describeError(error));
      }
    }
  }

  /**
   * Who was told past D1 that a task is overdue is told past it that it runs again: D1 may know of
   * neither.
   */
  async #sayDirectRecoveries(tasks: Watched[], say: Say | undefined, now: number): Promise<void> {
    for (const { task, dueBy } of readToldDirectly(this.#sql)) {
      const finding = overdueFindings(tasks, [{ task, dueBy }], now).find(
        ({ key, holds }) => key === `overdue:${task}` && !holds,
      );
      if (finding === undefined) continue;
      await say?.({
        id: `overdue:${task}:${dueBy}:over`,
        key: finding.key,
        kind: "recovered",
        summary: finding.over ?? "",
        at: now,
      });
      forgetToldDirectly(this.#sql, task);
    }
  }
}
