import { alertChannels } from "../../shared/alerts/channels.ts";
import { findingsOf } from "../../shared/alerts/findings.ts";
import { alertSettings } from "../../shared/alerts/settings.ts";
import { readFacts } from "../../shared/alerts/store.ts";
import { noteFindings, sayNotices } from "../../shared/alerts/watch.ts";
import { dependencies } from "../../shared/circuit-breaker/dependencies.ts";
import { within } from "../../shared/deadline.ts";
import type { CronEnv } from "../../shared/env.ts";
import { listFields } from "../../shared/http/problem.ts";
import { describeError, log } from "../../shared/telemetry/log.ts";
import { nextSlot } from "../../shared/schedule/due.ts";
import { WATCHDOG_NAME } from "../../shared/schedule/watchdog/rpc.ts";
import { tasks } from "./tasks.ts";

const BREAKER_TIMEOUT_MS = 2_000;

/** Looks at what is wrong, and tells whoever should know. Never rejects: a broken alert must not break what it watches. */
export async function watch(env: CronEnv): Promise<void> {
  try {
    const settings = alertSettings(env);
    if (!settings.ok) throw new Error(`${settings.error.variable} ${settings.error.message}`);
    const { failures } = settings.value;
    const now = Date.now();
    const names = tasks.map(({ name }) => name);
    const [facts, breakers] = await Promise.all([readFacts(env.DB, names, failures, now), breakerStates(env)]);
    const isGone = (key: string): string | null => {
      const task = /^task:(.*)$/.exec(key)?.[1];
      return task === undefined || names.includes(task) ? null : `the task ${task} is no longer registered`;
    };
    await noteFindings(env.DB, findingsOf(facts, breakers, failures, now), now, () => crypto.randomUUID(), isGone);
    await sayNotices(env.DB, alertChannels(env, settings.value), Date.now);
  } catch (error) {
    log("error", "alert.watch_failed", describeError(error));
  }
}

const WATCHDOG_TIMEOUT_MS = 5_000;

/** Tells the watchdog by when each task should run again. Never rejects: a watchdog that hears nothing speaks up by itself. */
export async function reportToWatchdog(env: CronEnv): Promise<void> {
  const now = Date.now();
  try {
    const watchdog = env.TASK_WATCHDOG.getByName(WATCHDOG_NAME);
    const report = tasks.map(({ name, cron, graceMs }) => ({ task: name, dueBy: nextSlot(cron, now) + graceMs }));
    const told = await within(WATCHDOG_TIMEOUT_MS, Promise.resolve(watchdog.report(report)));
    if (!told.ok) throw new Error(listFields(told.error.errors));
  } catch (error) {
    log("error", "watchdog.unreached", describeError(error));
  }
}

/** Of a breaker that does not answer nothing is known. */
async function breakerStates(env: CronEnv): Promise<{ name: string; state: string }[]> {
  const states = await Promise.all(
    dependencies.map(async (name) => {
      const breaker = env.CIRCUIT_BREAKER.getByName(name);
      const inspected = await within(BREAKER_TIMEOUT_MS, Promise.resolve(breaker.inspect())).catch(() => null);
      return inspected === null ? [] : [{ name, state: inspected.state }];
    }),
  );
  return states.flat();
}
