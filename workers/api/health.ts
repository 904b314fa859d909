import { version } from "../../package.json";
import { emailBacklog, type EmailBacklog } from "../../shared/email/store.ts";
import { describeError, log } from "../../shared/telemetry/log.ts";
import { json, type Call, type Handler } from "./call.ts";

/** A mail that has been due for longer than this means that nobody delivers. */
const MAX_DUE_AGE_SECONDS = 300;

/** 200 `ok` or `degraded`; 503 `down` only when D1 does not answer, because nothing can be done without it. */
export const health: Handler = async ({ env, now }: Call) => {
  let backlog: EmailBacklog;
  try {
    backlog = await emailBacklog(env.DB, now);
  } catch (error) {
    log("error", "health.database_down", describeError(error));
    return json({ status: "down", checks: { database: { status: "down" } }, version }, { status: 503, headers: { "Retry-After": "5" } });
  }
  const email = emailCheck(backlog, now);
  return json({ status: email.status, checks: { database: { status: "ok" }, email }, version });
};

function emailCheck({ oldestDueAt, ...counts }: EmailBacklog, now: number) {
  const oldestDueSeconds = oldestDueAt === null ? 0 : Math.floor((now - oldestDueAt) / 1_000);
  return { status: oldestDueSeconds > MAX_DUE_AGE_SECONDS ? ("degraded" as const) : ("ok" as const), oldestDueSeconds, ...counts };
}
