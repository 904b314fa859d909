import { DurableObject } from "cloudflare:workers";
import { alertChannels, type AlertEnv } from "../../alerts/channels.ts";
import type { AlertCondition } from "../../alerts/rules/evaluate.ts";
import { alertSettings, type AlertVariables } from "../../alerts/settings.ts";
import { markFiredDelivered, readNotified } from "../../alerts/sql/alerts.ts";
import { deliverNotices, recordConditions, type Notifier } from "../../alerts/watch.ts";
import { elapsedMs } from "../../lib/base/clock.ts";
import { within } from "../../lib/base/deadline.ts";
import { ok } from "../../lib/base/result.ts";
import { describeError, log } from "../../lib/worker/log.ts";
import { validate } from "../../lib/worker/validate.ts";
import { counters } from "../../telemetry/counters.ts";
import { reportSoon, type TelemetryEnv } from "../../telemetry/isolate.ts";
import { nextCheck, overdue, overdueConditions } from "./rules/overdue.ts";
import {
  unrecordedAlerts,
  watched,
  type TaskWatchdogRpc,
  type UnrecordedAlert,
  type Watched,
} from "./rules/rpc.ts";
import {
  createDeadlineTables,
  deleteNotified,
  readNotifiedTasks,
  readWatched,
  recoveringSince,
  saveNotified,
  saveRecovering,
  saveWatched,
} from "./stored-deadlines.ts";
import { createUnrecordedTable } from "./stored-unrecorded.ts";
import { handBackUnrecorded, notifyUnrecorded } from "./unrecorded-alerts.ts";

/** What the watchdog reads and writes: D1 and the alert channels. */
export type WatchdogEnv = AlertEnv & TelemetryEnv & AlertVariables;

/** `recoveryMs`: how long a task must not be overdue before its alert is over. */
type Times = { now: number; recoveryMs: number };

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
    createDeadlineTables(this.#sql);
    createUnrecordedTable(this.#sql);
  }

  async report(tasks: Watched[]): ReturnType<TaskWatchdogRpc["report"]> {
    const checked = validate(watched, tasks);
    if (!checked.ok) return checked;
    this.ctx.storage.transactionSync(() => saveWatched(this.#sql, checked.value));
    // A report may mean that a notified task runs again: check at once.
    await this.#scheduleCheck(this.#notified().length > 0 ? this.clock() : null);
    // Tasks have run, so D1 takes rows.
    await this.#webhook((notify) =>
      handBackUnrecorded(this.#sql, this.env.DB, notify, this.clock()),
    );
    return ok(null);
  }

  async notifyUnrecorded(
    alerts: UnrecordedAlert[],
  ): ReturnType<TaskWatchdogRpc["notifyUnrecorded"]> {
    const checked = validate(unrecordedAlerts, alerts);
    if (!checked.ok) return checked;
    await this.#webhook(async (notify) => {
      if (notify === undefined) log("error", "watchdog.alerts_unheard", { alerts: alerts.length });
      else await notifyUnrecorded(this.#sql, checked.value, notify, this.clock());
    });
    return ok(null);
  }

  /** Never rejects: the next call tries again. */
  async #webhook(work: (notify: Notifier | undefined) => Promise<void>): Promise<void> {
    try {
      await work(alertChannels(this.env, alertSettings(this.env)).webhook);
    } catch (error) {
      log("error", "watchdog.failed", describeError(error));
    }
  }

  async inspect(): ReturnType<TaskWatchdogRpc["inspect"]> {
    const tasks = readWatched(this.#sql);
    return {
      watched: tasks.length,
      overdue: overdue(tasks, this.clock()),
      tasks: tasks.map(({ task }) => task),
      sizeBytes: this.#sql.databaseSize,
    };
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
    return [
      ...readNotifiedTasks(this.#sql, "told"),
      ...readNotifiedTasks(this.#sql, "told_directly"),
    ];
  }

  async #scheduleCheck(at: number | null): Promise<void> {
    const next = at ?? nextCheck(readWatched(this.#sql), this.#notified(), this.clock());
    if (next !== null) await this.ctx.storage.setAlarm(next);
  }

  async #check(now: number): Promise<void> {
    const tasks = readWatched(this.#sql);
    const conditions = overdueConditions(tasks, readNotifiedTasks(this.#sql, "told"), now);
    const late = overdue(tasks, now);
    for (const { task } of late) log("error", "task.overdue", { task });
    const settings = alertSettings(this.env);
    for (const { variable, message } of settings.wrong)
      log("error", "alert.misconfigured", { variable, problem: message });
    const channels = alertChannels(this.env, settings);
    const { recoveryMs } = settings;
    if (conditions.length > 0)
      await this.#record(conditions, late, channels.webhook, { now, recoveryMs });
    // Independent: a failing webhook does not stop D1's notices, nor a failing D1 the webhook.
    const outcomes = await Promise.allSettled([
      this.#notifyDirectRecoveries(tasks, channels.webhook, { now, recoveryMs }),
      ...(conditions.length > 0
        ? [
            within(
              DELIVER_TIMEOUT_MS,
              deliverNotices(this.env.DB, channels, this.clock, settings.least),
            ),
          ]
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
    { now, recoveryMs }: Times,
  ): Promise<void> {
    this.#forgetEnded();
    // Before D1: the recovery is notified even if D1's reply is lost or this object dies now.
    for (const task of late) saveNotified(this.#sql, "told", task);
    const options = { now, recoveryMs, newId: () => crypto.randomUUID() };
    let firing: Set<string>;
    try {
      firing = await within(D1_TIMEOUT_MS, recordConditions(this.env.DB, conditions, options));
      await this.#handBack(late, now);
      await this.#noteDelivered(late);
    } catch (error) {
      log("error", "watchdog.database_down", describeError(error));
      await this.#notifyDirectly(late, notify, now);
      return;
    }
    for (const { key, holds } of conditions)
      if (!holds && !firing.has(key))
        for (const table of ["told", "told_by_d1"] as const)
          deleteNotified(this.#sql, table, key.slice("overdue:".length));
  }

  /**
   * D1 answers again and has recorded what the webhook was notified of directly. D1's notices take
   * over from here.
   */
  async #handBack(late: Watched[], now: number): Promise<void> {
    const known = readNotifiedTasks(this.#sql, "told_directly").filter(({ task }) =>
      late.some((one) => one.task === task),
    );
    if (known.length === 0) return;
    const keys = known.map(({ task }) => `overdue:${task}`);
    await within(D1_TIMEOUT_MS, markFiredDelivered(this.env.DB, keys, now));
    for (const { task } of known) {
      deleteNotified(this.#sql, "told_directly", task);
      saveRecovering(this.#sql, task, null);
    }
  }

  /** The release before ends an alert without this table. */
  #forgetEnded(): void {
    const told = new Set(readNotifiedTasks(this.#sql, "told").map(({ task }) => task));
    for (const { task } of readNotifiedTasks(this.#sql, "told_by_d1"))
      if (!told.has(task)) deleteNotified(this.#sql, "told_by_d1", task);
  }

  /** Notes what D1 has delivered to the webhook, so that it is not repeated while D1 is down. */
  async #noteDelivered(late: Watched[]): Promise<void> {
    if (late.length === 0) return;
    const notified = await within(D1_TIMEOUT_MS, readNotified(this.env.DB));
    const keys = new Set(
      notified.flatMap(({ key, webhookAt }) => (webhookAt === null ? [] : [key])),
    );
    for (const one of late)
      if (keys.has(`overdue:${one.task}`)) saveNotified(this.#sql, "told_by_d1", one);
  }

  /** Notifies the webhook without D1, once until the task has recovered. */
  async #notifyDirectly(late: Watched[], notify: Notifier | undefined, now: number): Promise<void> {
    const known = (["told_directly", "told_by_d1"] as const).flatMap((table) =>
      readNotifiedTasks(this.#sql, table),
    );
    const notified = new Set(known.map(({ task }) => task));
    for (const one of late.filter(({ task }) => !notified.has(task))) {
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
    { now, recoveryMs }: Times,
  ): Promise<void> {
    for (const { task, dueBy } of readNotifiedTasks(this.#sql, "told_directly")) {
      const recovered = overdueConditions(tasks, [{ task, dueBy }], now).find(
        ({ key, holds }) => key === `overdue:${task}` && !holds,
      );
      saveRecovering(this.#sql, task, recovered === undefined ? null : now);
      if (recovered === undefined) continue;
      const since = recoveringSince(this.#sql, task) ?? now;
      if (recovered.isGone !== true && elapsedMs(since, now) < recoveryMs) continue;
      await notify?.({
        id: `overdue:${task}:${dueBy}:over`,
        key: recovered.key,
        kind: "recovered",
        summary: recovered.resolvedReason ?? "",
        at: now,
      });
      deleteNotified(this.#sql, "told_directly", task);
      saveRecovering(this.#sql, task, null);
    }
  }
}
