import { version } from "../../package.json";
import { countPurges } from "../../shared/database/purge-outbox/pending-purges.ts";
import { databaseLimit } from "../../shared/database/settings.ts";
import { readSize, type SizeNow } from "../../shared/database/size.ts";
import { dependencies } from "../../shared/dependencies/dependencies.ts";
import { readRegistry } from "../../shared/dependencies/registry.ts";
import { usedDependencies } from "../../shared/dependencies/used.ts";
import { MAX_DUE_AGE_MS } from "../../shared/email/rules/retry-policy.ts";
import { emailBacklog, type EmailBacklog } from "../../shared/email/sql/emails.ts";
import { reportedCounts } from "../../shared/lib/base/counted.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { isolateBreaker } from "../../shared/lib/circuit-breaker/index.ts";
import { fanOut } from "../../shared/lib/worker/fan-out.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { getStub } from "../../shared/lib/worker/placement.ts";
import { WATCHDOG_NAME } from "../../shared/schedule/watchdog/rules/rpc.ts";
import { isUsed } from "../../shared/telemetry/rules/breaker-registry.ts";
import type { ApiEnv } from "../env.ts";
import { wrongSettings } from "../wrong-settings.ts";

type Status = "ok" | "degraded";

/** The sweep delivers within two minutes what a writer could not. */
const MAX_OWED_AGE_SECONDS = 180;
/** A health check does not wait long for a part that does not answer. */
const BREAKER_TIMEOUT_MS = 1_000;
const DATABASE_TIMEOUT_MS = 2_000;
const WATCHDOG_TIMEOUT_MS = 1_000;
/** D1, the watchdog and the list of breakers are asked at the same time. */
const BREAKERS_AT_ONCE = 2;

/**
 * `down` only when D1 does not answer, because nothing can be done without it. Never throws.
 */
export async function inspectHealth(env: ApiEnv, now: number) {
  const breakers = breakerCheck(env, now);
  const tasks = taskCheck(env);
  const settings = settingsCheck(env);
  let backlog: EmailBacklog;
  let purges: Awaited<ReturnType<typeof countPurges>>;
  let size: SizeNow;
  try {
    // Past the breaker: the check must see D1 itself.
    [backlog, { purges, size }] = await within(
      DATABASE_TIMEOUT_MS,
      Promise.all([emailBacklog(env.DB, now), purgesAndSize(env, now)]),
    );
  } catch (error) {
    log("error", "health.database_down", describeError(error));
    const database = { status: "down" };
    const checks = { database, breakers: await breakers, settings, tasks: await tasks };
    return { status: "down" as const, checks, version };
  }
  const checks = {
    database: databaseCheck(size),
    breakers: await breakers,
    cache: cacheCheck(purges, now),
    settings,
    tasks: await tasks,
    email: emailCheck(backlog, now),
  };
  const isDegraded = Object.values(checks).some((check) => check.status === "degraded");
  return { status: isDegraded ? ("degraded" as const) : ("ok" as const), checks, version };
}

/** Names, and no values: those may be secrets. */
function settingsCheck(env: ApiEnv) {
  const invalid = wrongSettings(env).map(({ variable }) => variable);
  const status: Status = invalid.length === 0 ? "ok" : "degraded";
  return { status, invalid };
}

/** One after the other, for the connections that an invocation has. */
async function purgesAndSize(env: ApiEnv, now: number) {
  const purges = await countPurges(env.DB);
  return { purges, size: await readSize(env.DB, databaseLimit(env).bytes, now) };
}

/** Degraded while new emails and sign-ups are refused. */
function databaseCheck({ bytes, limitBytes, fullInDays, refuses }: SizeNow) {
  const status: Status = refuses ? "degraded" : "ok";
  return {
    status,
    sizeBytes: bytes,
    limitBytes,
    ...(fullInDays !== null && { fullInDays }),
  };
}

function emailCheck({ oldestDueAt, nextDueAt, ...counts }: EmailBacklog, now: number) {
  const oldestDueSeconds = oldestDueAt === null ? 0 : Math.floor((now - oldestDueAt) / 1_000);
  const status: Status = oldestDueSeconds * 1_000 > MAX_DUE_AGE_MS ? "degraded" : "ok";
  return {
    status,
    oldestDueSeconds,
    ...reportedCounts(counts),
    ...(nextDueAt !== null && { nextDueAt: new Date(nextDueAt).toISOString() }),
  };
}

function cacheCheck({ pending, oldestAt }: Awaited<ReturnType<typeof countPurges>>, now: number) {
  const oldestOwedSeconds =
    oldestAt === null ? 0 : Math.max(Math.floor((now - oldestAt) / 1_000), 0);
  const status: Status = oldestOwedSeconds > MAX_OWED_AGE_SECONDS ? "degraded" : "ok";
  return { status, ...reportedCounts({ owedPurges: pending }), oldestOwedSeconds };
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
 * What this isolate has of each of Luna's breakers, some 5 s old at most, and what those of other
 * Workers announced last. `unreachable` names those of Luna whose object does not answer;
 * `registryUnread`: the others are not known. What is not used, or not known and not Luna's, does
 * not make it degraded.
 */
async function breakerCheck(env: ApiEnv, now: number) {
  const [known, registry] = await Promise.all([ownBreakers(env), readRegistry(env)]);
  const others = (registry?.registered ?? []).map((breaker) => ({
    name: breaker.name,
    state: breaker.state,
    isReached: true,
    isUsed: isUsed(breaker, now),
  }));
  const all = [...known, ...others];
  const isDegraded = all.some((one) => one.isUsed && (!one.isReached || one.state !== "CLOSED"));
  return {
    status: (isDegraded ? "degraded" : "ok") satisfies Status,
    states: Object.fromEntries(all.map(({ name, state }) => [name, state])),
    unreachable: known.filter(({ isReached }) => !isReached).map(({ name }) => name),
    ...(registry === null && { registryUnread: true as const }),
  };
}

async function ownBreakers(env: ApiEnv) {
  const used = new Set<string>(usedDependencies(env));
  return await fanOut(
    dependencies,
    async (name) => {
      const breaker = isolateBreaker(env, name);
      await breaker.refresh(BREAKER_TIMEOUT_MS);
      const { held, local } = breaker;
      return {
        name,
        state: (local?.snapshot ?? held?.snapshot)?.state ?? "UNKNOWN",
        isReached: breaker.reached,
        isUsed: used.has(name),
      };
    },
    BREAKERS_AT_ONCE,
  );
}
