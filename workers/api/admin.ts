import type { Failure } from "../../shared/failure.ts";
import { ring } from "../../shared/email/outbox.ts";
import { resolution } from "../../shared/email/schemas.ts";
import { resolveUnknown } from "../../shared/email/unknown/store.ts";
import { readJson } from "../../shared/http/body.ts";
import { fail, ok, type Result } from "../../shared/result.ts";
import { describeError, log } from "../../shared/telemetry/log.ts";
import { json, type Handler } from "./call.ts";
import { writeDatabase } from "./database.ts";

/** An operator found out what became of an unknown mail, or decides. */
export const resolveEmail: Handler = async ({ request, params, env, now }) => {
  const wanted = await readJson(request, resolution);
  if (!wanted.ok) return wanted;
  const resolved = await writeDatabase(() => resolveUnknown(env.DB, params["id"] ?? "", wanted.value.status, now));
  if (!resolved.ok) return resolved;
  if (resolved.value === null) return fail({ tag: "not-found", what: "unknown email" });
  if (resolved.value.status === "queued") await ring({ db: env.DB, queue: env.EMAIL_QUEUE }, [{ ...resolved.value, dueAt: now }], now);
  return json(resolved.value);
};

/** Runs one task now, whatever its schedule says. */
export const runTask: Handler = async ({ params, env }) => {
  const ran = await askScheduler(() => env.CRON.run(params["name"] ?? ""));
  if (!ran.ok) return ran;
  return ran.value.status === "not-found" ? fail({ tag: "not-found", what: "task" }) : json(ran.value);
};

/** What the platform's cron trigger does each minute: for where there is none, or while it fails. */
export const tick: Handler = async ({ env }) => {
  const ticked = await askScheduler(() => env.CRON.tick());
  return ticked.ok ? json({ results: ticked.value }) : ticked;
};

async function askScheduler<Reply>(ask: () => Promise<Reply>): Promise<Result<Reply, Failure>> {
  try {
    return ok(await ask());
  } catch (error) {
    log("error", "scheduler.failed", describeError(error));
    return fail({ tag: "unavailable", dependency: "scheduler" });
  }
}
