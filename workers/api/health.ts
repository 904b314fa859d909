import { version } from "../../package.json";
import { countPurges } from "../../shared/database/purge-outbox/pending-purges.ts";
import { dependencies } from "../../shared/dependencies/dependencies.ts";
import { MAX_DUE_AGE_MS } from "../../shared/email/rules/retry-policy.ts";
import { emailBacklog, type EmailBacklog } from "../../shared/email/sql/emails.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { isolateBreaker } from "../../shared/lib/circuit-breaker/index.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { getStub } from "../../shared/lib/worker/placement.ts";
import { WATCHDOG_NAME } from "../../shared/schedule/watchdog/rules/rpc.ts";
import type { ApiEnv } from "../env.ts";
import { json, type Handler } from "./call.ts";

type Status = "ok" | "degraded";

/** The sweep delivers within two minutes what a writer could not. */
const MAX_OWED_AGE_SECONDS = 180;
/** A health check does not wait long for a part that does not answer. */
const BREAKER_TIMEOUT_MS = 1_000;
const DATABASE_TIMEOUT_MS = 2_000;
const WATCHDOG_TIMEOUT_MS = 1_000;

/**
 * 200 `ok` or `degraded`; 503 `down` only when D1 does not answer, because nothing can be done
 * without it.
 */
export const getHealth: Handler<"getHealth"> = async ({ env, now }) => {
  const breakers = breakerCheck(env);
  const tasks = taskCheck(env);
  let backlog: EmailBacklog;
  let purges: Awaited<ReturnType<typeof countPurges>>;
  try {
    // Past the breaker: the check must see D1 itself.
    [backlog, purges] = await within(
      DATABASE_TIMEOUT_MS,
      Promise.all([emailBacklog(env.DB, now), countPurges(env.DB)]),
    );
  } catch (error) {
    log("error", "health.database_down", describeError(error));
    const checks = { database: { status: "down" }, breakers: await breakers, tasks: await tasks };
    return json(
      { status: "down", checks, version },
      { status: 503, headers: { "Retry-After": "5" } },
    );
  }
  const checks = {
    database: { status: "ok" as const },
    breakers: await breakers,
    cache: cacheCheck(purges, now),
    tasks: await tasks,
    email: emailCheck(backlog, now),
  };
  const status = Object.values(checks).some((check) => check.status === "degraded")
    ? "degraded"
    : "ok";
  return json({ status, checks, version });
};

function emailCheck({ oldestDueAt, ...counts }: EmailBacklog, now: number) {
  const oldestDueSeconds = oldestDueAt === null ? 0 : Math.floor((now - oldestDueAt) / 1_000);
  const status: Status = oldestDueSeconds * 1_000 > MAX_DUE_AGE_MS ? "degraded" : "ok";
  return { status, oldestDueSeconds, ...counts };
}

function cacheCheck({ pending, oldestAt }: Awaited<ReturnType<typeof countPurges>>, now: number) {
  const oldestOwedSeconds =
    oldestAt === null ? 0 : Math.max(Math.floor((now - oldestAt) / 1_000), 0);
  const status: Status = oldestOwedSeconds > MAX_OWED_AGE_SECONDS ? "degraded" : "ok";
  return { status, owedPurges: pending, oldestOwedSeconds };
}

/**
 * Tasks that have not run in time. Registers the tasks if none is watched, as after the first
 * deployment.
 */
async function taskCheck(env: ApiEnv) {
  try {
    const { watched, overdue } = await within(
      WATCHDOG_TIMEOUT_MS,
      getStub(env.TASK_WATCHDOG, WATCHDOG_NAME, env).inspect(),
    );
    if (watched === 0) await within(WATCHDOG_TIMEOUT_MS, env.CRON.register());
    const late = overdue.map(({ task, dueBy }) => ({ task, dueBy: new Date(dueBy).toISOString() }));
    const status: Status = late.length > 0 ? "degraded" : "ok";
    return { status, overdue: late };
  } catch (error) {
    log("error", "health.watchdog_unreached", describeError(error));
    return { status: "degraded" as Status, overdue: [], unreachable: true };
  }
}

/**
 * What this isolate knows of each breaker, some 5 s old at most. `unreachable` names those
 * whose object does not answer.
 */
async function breakerCheck(env: ApiEnv) {
  const known = await Promise.all(
    dependencies.map(async (name) => {
      const breaker = isolateBreaker(env, name);
      await breaker.refresh(BREAKER_TIMEOUT_MS);
      const { view, local } = breaker;
      return {
        name,
        state: (local?.snapshot ?? view?.snapshot)?.state ?? "UNKNOWN",
        reached: breaker.reached,
      };
    }),
  );
  const unreachable = known.filter(({ reached }) => !reached).map(({ name }) => name);
  const status: Status =
    unreachable.length > 0 || known.some(({ state }) => state !== "CLOSED") ? "degraded" : "ok";
  return {
    status,
    states: Object.fromEntries(known.map(({ name, state }) => [name, state])),
    unreachable,
  };
}
