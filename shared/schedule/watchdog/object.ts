import { DurableObject } from "cloudflare:workers";
import { alertChannels } from "../../alerts/channels.ts";
import { alertSettings } from "../../alerts/settings.ts";
import { noteFindings, sayNotices } from "../../alerts/watch.ts";
import type { ApiEnv } from "../../env.ts";
import { validate } from "../../http/body.ts";
import { ok } from "../../result.ts";
import { describeError, log } from "../../telemetry/log.ts";
import { watched, type TaskWatchdogRpc, type Watched } from "./rpc.ts";
import { nextLook, overdue, overdueFindings } from "./state.ts";
import { createTables, forgetTold, readTold, readWatched, saveTold, saveWatched } from "./store.ts";

/**
 * Watches that every scheduled task runs again in time. Its alarm is set for the earliest moment by which one should have, so that it
 * speaks up although nothing calls it any more: the trigger, `luna-cron` or what it needs may be dead.
 */
export class TaskWatchdog extends DurableObject<ApiEnv> implements TaskWatchdogRpc {
  readonly #sql: SqlStorage;
  /** Replaced by tests. */
  clock: () => number = Date.now;

  constructor(ctx: DurableObjectState, env: ApiEnv) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    createTables(this.#sql);
  }

  async report(tasks: Watched[]): ReturnType<TaskWatchdogRpc["report"]> {
    const checked = validate(watched, tasks);
    if (!checked.ok) return checked;
    this.ctx.storage.transactionSync(() => saveWatched(this.#sql, checked.value));
    // Those of which somebody was told are looked at at once: they run again.
    await this.#wakeUp(readTold(this.#sql).length > 0 ? this.clock() : null);
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
      await this.#wakeUp(null);
    }
  }

  async #wakeUp(at: number | null): Promise<void> {
    const next = at ?? nextLook(readWatched(this.#sql), readTold(this.#sql), this.clock());
    if (next !== null) await this.ctx.storage.setAlarm(next);
  }

  async #tell(now: number): Promise<void> {
    const tasks = readWatched(this.#sql);
    const told = readTold(this.#sql);
    const findings = overdueFindings(tasks, told, now);
    if (findings.length === 0) return;
    for (const { task } of overdue(tasks, now)) log("error", "task.overdue", { task });
    const settings = alertSettings(this.env);
    if (!settings.ok) throw new Error(`${settings.error.variable} ${settings.error.message}`);
    const channels = alertChannels(this.env, settings.value);
    try {
      await noteFindings(this.env.DB, findings, now, () => crypto.randomUUID());
    } catch (error) {
      // What says it is broken too. The webhook needs no database.
      log("error", "watchdog.database_down", describeError(error));
      await this.#tellDirectly(overdue(tasks, now), channels.webhook, now);
      return;
    }
    for (const { key, holds } of findings) {
      const task = key.slice("overdue:".length);
      const late = tasks.find((one) => one.task === task);
      if (!holds) forgetTold(this.#sql, task);
      else if (late !== undefined) saveTold(this.#sql, late);
    }
    await sayNotices(this.env.DB, channels, this.clock);
  }

  /** Once for each time that a task is overdue. */
  async #tellDirectly(late: Watched[], say: ReturnType<typeof alertChannels>["webhook"], now: number): Promise<void> {
    const told = new Map(readTold(this.#sql).map(({ task, dueBy }) => [task, dueBy]));
    for (const one of late.filter(({ task, dueBy }) => told.get(task) !== dueBy)) {
      const [finding] = overdueFindings([one], [], now);
      if (say === undefined || finding === undefined) continue;
      await say({ id: `overdue:${one.task}:${one.dueBy}`, key: finding.key, kind: "fired", summary: finding.summary, at: now });
      saveTold(this.#sql, one);
    }
  }
}
