import { DurableObject } from "cloudflare:workers";
import { alertChannels, type AlertEnv } from "../../alerts/channels.ts";
import type { AlertCondition } from "../../alerts/rules/evaluate.ts";
import { alertSettings, type AlertVariables } from "../../alerts/settings.ts";
import { markFiredDelivered } from "../../alerts/sql/alerts.ts";
import { deliverNotices, recordConditions, type Notifier } from "../../alerts/watch.ts";
import { within } from "../../lib/base/deadline.ts";
import { ok } from "../../lib/base/result.ts";
import { describeError, log } from "../../lib/worker/log.ts";
import { validate } from "../../lib/worker/validate.ts";
import { counters } from "../../telemetry/counters.ts";
import { reportSoon, type TelemetryEnv } from "../../telemetry/isolate.ts";
import { nextCheck, overdue, overdueConditions } from "./rules/overdue.ts";
import { watched, type TaskWatchdogRpc, type Watched } from "./rules/rpc.ts";
import {
  createTables,
  deleteNotified,
  readNotified,
  readWatched,
  saveNotified,
  saveWatched,
} from "./stored-deadlines.ts";

/** What the watchdog reads and writes: D1 and the alert channels. */
export type WatchdogEnv = AlertEnv & TelemetryEnv & AlertVariables;

/** How long D1 may take before the webhook is notified without it. */
const D1_TIMEOUT_MS = 5_000;
const DELIVER_TIMEOUT_MS = 60_000;

/**
 * Watches that every scheduled task runs again in time. Its alarm is set to the earliest deadline,
 * so it notifies operators even if nothing calls it any more because the trigger, `luna-cron` or D1
 * is down.
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
    // A report may mean that a notified task runs again: check at once.
    await this.#scheduleCheck(this.#notified().length > 0 ? this.clock() : null);
    return ok(null);
  }

  async inspect(): ReturnType<TaskWatchdogRpc["inspect"]> {
    const tasks = readWatched(this.#sql);
    return { watched: tasks.length, overdue: overdue(tasks, this.clock()) };
  }

  override async alarm(): Promise<void> {
    try {
      await this.#check(this.clock());
    } catch (error) {
      log("error", "watchdog.failed", describeError(error));
    } finally {
      reportSoon(this.env);
      await this.#scheduleCheck(null);
    }
  }

  #notified(): Watched[] {
    return [...readNotified(this.#sql, "told"), ...readNotified(this.#sql, "told_directly")];
  }

  async #scheduleCheck(at: number | null): Promise<void> {
    const next = at ?? nextCheck(readWatched(this.#sql), this.#notified(), this.clock());
    if (next !== null) await this.ctx.storage.setAlarm(next);
  }

  async #check(now: number): Promise<void> {
    const tasks = readWatched(this.#sql);
    const conditions = overdueConditions(tasks, readNotified(this.#sql, "told"), now);
    const late = overdue(tasks, now);
    for (const { task } of late) log("error", "task.overdue", { task });
    const settings = alertSettings(this.env);
    for (const { variable, message } of settings.wrong)
      log("error", "alert.misconfigured", { variable, problem: message });
    const channels = alertChannels(this.env, settings);
    if (conditions.length > 0) await this.#record(conditions, late, channels.webhook, now);
    // Independent: a failing webhook does not stop D1's notices, nor a failing D1 the webhook.
    const outcomes = await Promise.allSettled([
      this.#notifyDirectRecoveries(tasks, channels.webhook, now),
      ...(conditions.length > 0
        ? [within(DELIVER_TIMEOUT_MS, deliverNotices(this.env.DB, channels, this.clock))]
        : []),
    ]);
    for (const outcome of outcomes)
      if (outcome.status === "rejected")
        log("error", "watchdog.failed", describeError(outcome.reason));
  }

  /** Records the conditions in D1. If D1 fails, notifies the webhook without it. */
  async #record(
    conditions: AlertCondition[],
    late: Watched[],
    notify: Notifier | undefined,
    now: number,
  ): Promise<void> {
    // Before D1: the recovery is notified even if D1's reply is lost or this object dies now.
    for (const task of late) saveNotified(this.#sql, "told", task);
    try {
      await within(
        D1_TIMEOUT_MS,
        recordConditions(this.env.DB, conditions, { now, newId: () => crypto.randomUUID() }),
      );
      await this.#handBack(late, now);
    } catch (error) {
      log("error", "watchdog.database_down", describeError(error));
      await this.#notifyDirectly(late, notify, now);
      return;
    }
    for (const { key, holds } of conditions)
      if (!holds) deleteNotified(this.#sql, "told", key.slice("overdue:".length));
  }

  /**
   * D1 answers again and has recorded what the webhook was notified of directly. D1's notices take
   * over from here.
   */
  async #handBack(late: Watched[], now: number): Promise<void> {
    const known = readNotified(this.#sql, "told_directly").filter(({ task }) =>
      late.some((one) => one.task === task),
    );
    if (known.length === 0) return;
    const keys = known.map(({ task }) => `overdue:${task}`);
    await within(D1_TIMEOUT_MS, markFiredDelivered(this.env.DB, keys, now));
    for (const { task } of known) deleteNotified(this.#sql, "told_directly", task);
  }

  /** Notifies the webhook without D1, once per missed deadline. */
  async #notifyDirectly(late: Watched[], notify: Notifier | undefined, now: number): Promise<void> {
    const notified = readNotified(this.#sql, "told_directly");
    const deadlines = new Map(notified.map(({ task, dueBy }) => [task, dueBy]));
    for (const one of late.filter(({ task, dueBy }) => deadlines.get(task) !== dueBy)) {
      const [condition] = overdueConditions([one], [], now);
      if (notify === undefined || condition === undefined) continue;
      try {
        await notify({
          id: `overdue:${one.task}:${one.dueBy}`,
          key: condition.key,
          kind: "fired",
          summary: condition.summary,
          at: now,
        });
        saveNotified(this.#sql, "told_directly", one);
        counters.count("luna_alerts_sent_total", { channel: "webhook" });
      } catch (error) {
        counters.count("luna_alert_failures_total", { channel: "webhook" });
        log("error", "watchdog.webhook_failed", describeError(error));
      }
    }
  }

  /**
   * Notifies the webhook of the recovery of tasks that it was notified of directly: D1 may have
   * recorded neither.
   */
  async #notifyDirectRecoveries(
    tasks: Watched[],
    notify: Notifier | undefined,
    now: number,
  ): Promise<void> {
    for (const { task, dueBy } of readNotified(this.#sql, "told_directly")) {
      const recovered = overdueConditions(tasks, [{ task, dueBy }], now).find(
        ({ key, holds }) => key === `overdue:${task}` && !holds,
      );
      if (recovered === undefined) continue;
      await notify?.({
        id: `overdue:${task}:${dueBy}:over`,
        key: recovered.key,
        kind: "recovered",
        summary: recovered.resolvedReason ?? "",
        at: now,
      });
      deleteNotified(this.#sql, "told_directly", task);
    }
  }
}
