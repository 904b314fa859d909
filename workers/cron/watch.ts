import { alertChannels } from "../../shared/alerts/channels.ts";
import {
  alertConditions,
  refusedBreakersCondition,
  sizeConditions,
} from "../../shared/alerts/rules/conditions.ts";
import type { AlertCondition } from "../../shared/alerts/rules/evaluate.ts";
import { severitiesFrom, severityOf, type Severity } from "../../shared/alerts/rules/severity.ts";
import { silenceOf } from "../../shared/alerts/rules/silences.ts";
import { alertSettings } from "../../shared/alerts/settings.ts";
import { readAlerts } from "../../shared/alerts/sql/alerts.ts";
import { readFacts } from "../../shared/alerts/sql/facts.ts";
import { findSilences } from "../../shared/alerts/sql/silences.ts";
import { deliverNotices, recordConditions } from "../../shared/alerts/watch.ts";
import { isDatabaseFull } from "../../shared/database/rules/faults.ts";
import { databaseLimit } from "../../shared/database/settings.ts";
import { noteFull, readSize, watchSize } from "../../shared/database/size.ts";
import { isDependency } from "../../shared/dependencies/dependencies.ts";
import { inspectAll } from "../../shared/dependencies/inspect-all.ts";
import { readRegistry } from "../../shared/dependencies/registry.ts";
import { DAY_MS } from "../../shared/lib/base/clock.ts";
import { cut } from "../../shared/lib/base/cut.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { getStub } from "../../shared/lib/worker/placement.ts";
import { listFields } from "../../shared/lib/worker/validate.ts";
import { JOB_LATE_MS } from "../../shared/schedule/jobs/start-due.ts";
import { nextSlot } from "../../shared/schedule/rules/due.ts";
import { oldestDue } from "../../shared/schedule/sql/job-slots.ts";
import { OLDEST_JOB } from "../../shared/schedule/watchdog/rules/overdue.ts";
import { WATCHDOG_NAME, type UnrecordedAlert } from "../../shared/schedule/watchdog/rules/rpc.ts";
import { isUsed } from "../../shared/telemetry/rules/breaker-registry.ts";
import type { BreakerRegistry } from "../../shared/telemetry/rules/rpc.ts";
import type { CronEnv } from "../env.ts";
import { wrongSettings } from "../wrong-settings.ts";
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
    const settings = alertSettings(env);
    const channels = alertChannels(env, settings);
    const delivered = deliverNotices(env.DB, channels, Date.now, settings.least);
    await within(DELIVER_TIMEOUT_MS, delivered);
  } catch (error) {
    log("error", "alert.deliver_failed", describeError(error));
  }
}

async function evaluateNow(env: CronEnv): Promise<void> {
  const settings = alertSettings(env);
  const limit = databaseLimit(env);
  const wrong = wrongSettings(env);
  const now = Date.now();
  const size = await watchSize(env.DB, limit.bytes, now);
  const [facts, own, registry] = await Promise.all([
    readFacts(env.DB, {
      tasks: tasks.map(({ name }) => name),
      failures: settings.failures,
      operator: settings.email,
      now,
    }),
    ownStates(env),
    readRegistry(env),
  ]);
  const used = registry?.registered.filter((breaker) => isUsed(breaker, now)) ?? [];
  const conditions = [
    ...alertConditions(facts, [...own, ...used], { ...settings, wrong }, now),
    ...sizeConditions(size),
    ...(registry === null
      ? []
      : [refusedBreakersCondition(registry.refused.full + registry.refused.name)]),
  ];
  try {
    await recordConditions(env.DB, conditions, {
      now,
      newId: () => crypto.randomUUID(),
      recoveryMs: settings.recoveryMs,
      resolvedReason: (key) => resolvedReason(key, registry),
    });
  } catch (error) {
    if (!isDatabaseFull(error)) throw error;
    await noteFull(env.DB, now);
    const full = sizeConditions(await readSize(env.DB, limit.bytes, now));
    await notifyUnrecorded(env, [...full, ...conditions], { least: settings.least.webhook, now });
  }
}

/** What holds and does not fire in D1 yet goes to the webhook, past D1. */
async function notifyUnrecorded(
  env: CronEnv,
  conditions: AlertCondition[],
  { least, now }: { least: Severity; now: number },
): Promise<void> {
  const [alerts, silences] = await Promise.all([readAlerts(env.DB), findSilences(env.DB, now)]);
  const taken = severitiesFrom(least);
  const known = new Set(alerts.flatMap(({ key, firedAt }) => (firedAt === null ? [] : [key])));
  const unrecorded: UnrecordedAlert[] = [];
  for (const { key, holds, summary, forMs } of conditions) {
    if (!holds || known.has(key) || silenceOf(silences, key, now) !== null) continue;
    if (!taken.includes(severityOf(key))) continue;
    known.add(key);
    unrecorded.push({ key: cut(key, 200), summary: cut(summary, 4_000), forMs });
  }
  const watchdog = getStub(env.TASK_WATCHDOG, WATCHDOG_NAME, env);
  const reply = await within(DELIVER_TIMEOUT_MS, watchdog.notifyUnrecorded(unrecorded));
  if (!reply.ok) throw new Error(listFields(reply.error.errors));
}

/**
 * A removed task or breaker has no condition any more, so its alert has recovered. A breaker of
 * another Worker is not taken for removed while the list cannot be read.
 */
function resolvedReason(key: string, registry: BreakerRegistry | null): string | null {
  const [, kind, name = ""] = /^(task|late|breaker):(.*)$/.exec(key) ?? [];
  if ((kind === "task" || kind === "late") && !tasks.some((task) => task.name === name))
    return `the task ${name} is no longer registered`;
  if (kind === "breaker" && !isDependency(name) && registry !== null)
    return `nothing uses the circuit breaker ${name} any more`;
  return null;
}

const WATCHDOG_TIMEOUT_MS = 5_000;

/**
 * Reports to the watchdog by when each task should run again, and the first job of the next day
 * should begin. Never rejects: without reports the watchdog alerts by itself.
 */
export async function reportToWatchdog(env: CronEnv): Promise<void> {
  const now = Date.now();
  try {
    const watchdog = getStub(env.TASK_WATCHDOG, WATCHDOG_NAME, env);
    const report = tasks.map(({ name, cron, graceMs }) => ({
      task: name,
      dueBy: nextSlot(cron, now) + graceMs,
    }));
    const oldest = await within(WATCHDOG_TIMEOUT_MS, oldestDue(env.DB));
    if (oldest !== null && oldest < now + DAY_MS)
      report.push({ task: OLDEST_JOB, dueBy: oldest + JOB_LATE_MS });
    const reply = await within(WATCHDOG_TIMEOUT_MS, watchdog.report(report));
    if (!reply.ok) throw new Error(listFields(reply.error.errors));
  } catch (error) {
    log("error", "watchdog.unreached", describeError(error));
  }
}

/** The states of Luna's breakers that answer. The state of the others is unknown. */
async function ownStates(env: CronEnv): Promise<{ name: string; state: string }[]> {
  return (await inspectAll(env)).flatMap(({ name, inspection }) =>
    inspection === null ? [] : [{ name, state: inspection.state }],
  );
}
