import { alertChannels } from "../../shared/alerts/channels.ts";
import { findingsOf } from "../../shared/alerts/rules/conditions.ts";
import { alertSettings } from "../../shared/alerts/settings.ts";
import { readFacts } from "../../shared/alerts/sql/alerts.ts";
import { noteFindings, sayNotices } from "../../shared/alerts/watch.ts";
import { isDependency } from "../../shared/dependencies/dependencies.ts";
import { inspectAll } from "../../shared/dependencies/inspect-all.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { getStub } from "../../shared/lib/worker/placement.ts";
import { listFields } from "../../shared/lib/worker/validate.ts";
import { nextSlot } from "../../shared/schedule/rules/due.ts";
import { WATCHDOG_NAME } from "../../shared/schedule/watchdog/rules/rpc.ts";
import type { CronEnv } from "../env.ts";
import { tasks } from "./tasks.ts";

/** D1 may not answer at all, and what it holds up is what runs the tasks. */
const JUDGE_TIMEOUT_MS = 10_000;
const SAY_TIMEOUT_MS = 60_000;

/**
 * Looks at what is wrong, and writes down what is to be said. Never rejects: a broken alert must
 * not break what it watches.
 */
export async function judge(env: CronEnv): Promise<void> {
  try {
    await within(JUDGE_TIMEOUT_MS, judgeNow(env));
  } catch (error) {
    log("error", "alert.judge_failed", describeError(error));
  }
}

/** Says what is to be said. Never rejects. */
export async function tell(env: CronEnv): Promise<void> {
  try {
    await within(
      SAY_TIMEOUT_MS,
      sayNotices(env.DB, alertChannels(env, alertSettings(env)), Date.now),
    );
  } catch (error) {
    log("error", "alert.tell_failed", describeError(error));
  }
}

async function judgeNow(env: CronEnv): Promise<void> {
  const settings = alertSettings(env);
  const now = Date.now();
  const names = tasks.map(({ name }) => name);
  const [facts, breakers] = await Promise.all([
    readFacts(env.DB, names, settings.failures, settings.email, now),
    breakerStates(env),
  ]);
  await noteFindings(
    env.DB,
    findingsOf(facts, breakers, settings, now),
    now,
    () => crypto.randomUUID(),
    overBecause,
  );
}

/** Of what is gone nothing is found any more. */
function overBecause(key: string): string | null {
  const [, kind, name = ""] = /^(task|breaker):(.*)$/.exec(key) ?? [];
  if (kind === "task" && !tasks.some((task) => task.name === name))
    return `the task ${name} is no longer registered`;
  if (kind === "breaker" && !isDependency(name))
    return `there is no circuit breaker ${name} any more`;
  return null;
}

const WATCHDOG_TIMEOUT_MS = 5_000;

/**
 * Tells the watchdog by when each task should run again. Never rejects: a watchdog that hears
 * nothing speaks up by itself.
 */
export async function reportToWatchdog(env: CronEnv): Promise<void> {
  const now = Date.now();
  try {
    const watchdog = getStub(env.TASK_WATCHDOG, WATCHDOG_NAME, env);
    const report = tasks.map(({ name, cron, graceMs }) => ({
      task: name,
      dueBy: nextSlot(cron, now) + graceMs,
    }));
    const told = await within(WATCHDOG_TIMEOUT_MS, watchdog.report(report));
    if (!told.ok) throw new Error(listFields(told.error.errors));
  } catch (error) {
    log("error", "watchdog.unreached", describeError(error));
  }
}

/** Of a breaker that does not answer nothing is known. */
async function breakerStates(env: CronEnv): Promise<{ name: string; state: string }[]> {
  return (await inspectAll(env)).flatMap(({ name, inspection }) =>
    inspection === null ? [] : [{ name, state: inspection.state }],
  );
}
