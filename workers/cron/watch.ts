import { alertChannels } from "../../shared/alerts/channels.ts";
import { alertConditions } from "../../shared/alerts/rules/conditions.ts";
import { alertSettings } from "../../shared/alerts/settings.ts";
import { readFacts } from "../../shared/alerts/sql/facts.ts";
import { deliverNotices, recordConditions } from "../../shared/alerts/watch.ts";
import { isDependency } from "../../shared/dependencies/dependencies.ts";
import { inspectAll } from "../../shared/dependencies/inspect-all.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { getStub } from "../../shared/lib/worker/placement.ts";
import { listFields } from "../../shared/lib/worker/validate.ts";
import { nextSlot } from "../../shared/schedule/rules/due.ts";
import { WATCHDOG_NAME } from "../../shared/schedule/watchdog/rules/rpc.ts";
import type { CronEnv } from "../env.ts";
import { tasks } from "./task-list.ts";

/** D1 may never answer, and a hanging evaluation would delay the tasks. */
const EVALUATE_TIMEOUT_MS = 10_000;
const DELIVER_TIMEOUT_MS = 60_000;

/**
 * Evaluates the alert conditions and records the notices to deliver. Never rejects: a failure of
 * the alerts must not stop the tasks.
 */
export async function evaluateAlerts(env: CronEnv): Promise<void> {
  try {
    await within(EVALUATE_TIMEOUT_MS, evaluateNow(env));
  } catch (error) {
    log("error", "alert.evaluate_failed", describeError(error));
  }
}

/** Delivers the recorded notices. Never rejects. */
export async function deliverAlerts(env: CronEnv): Promise<void> {
  try {
    const channels = alertChannels(env, alertSettings(env));
    await within(DELIVER_TIMEOUT_MS, deliverNotices(env.DB, channels, Date.now));
  } catch (error) {
    log("error", "alert.deliver_failed", describeError(error));
  }
}

async function evaluateNow(env: CronEnv): Promise<void> {
  const settings = alertSettings(env);
  const now = Date.now();
  const [facts, breakers] = await Promise.all([
    readFacts(env.DB, {
      tasks: tasks.map(({ name }) => name),
      failures: settings.failures,
      operator: settings.email,
      now,
    }),
    breakerStates(env),
  ]);
  await recordConditions(env.DB, alertConditions(facts, breakers, settings, now), {
    now,
    newId: () => crypto.randomUUID(),
    resolvedReason,
  });
}

/** A removed task or breaker has no condition any more, so its alert has recovered. */
function resolvedReason(key: string): string | null {
  const [, kind, name = ""] = /^(task|breaker):(.*)$/.exec(key) ?? [];
  if (kind === "task" && !tasks.some((task) => task.name === name))
    return `the task ${name} is no longer registered`;
  if (kind === "breaker" && !isDependency(name))
    return `the circuit breaker ${name} no longer exists`;
  return null;
}

const WATCHDOG_TIMEOUT_MS = 5_000;

/**
 * Reports to the watchdog by when each task should run again. Never rejects: without reports the
 * watchdog alerts by itself.
 */
export async function reportToWatchdog(env: CronEnv): Promise<void> {
  const now = Date.now();
  try {
    const watchdog = getStub(env.TASK_WATCHDOG, WATCHDOG_NAME, env);
    const report = tasks.map(({ name, cron, graceMs }) => ({
      task: name,
      dueBy: nextSlot(cron, now) + graceMs,
    }));
    const reply = await within(WATCHDOG_TIMEOUT_MS, watchdog.report(report));
    if (!reply.ok) throw new Error(listFields(reply.error.errors));
  } catch (error) {
    log("error", "watchdog.unreached", describeError(error));
  }
}

/** The states of the breakers that answer. The state of the others is unknown. */
async function breakerStates(env: CronEnv): Promise<{ name: string; state: string }[]> {
  return (await inspectAll(env)).flatMap(({ name, inspection }) =>
    inspection === null ? [] : [{ name, state: inspection.state }],
  );
}
