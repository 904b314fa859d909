import * as v from "valibot";
import { processDeadLetters as process } from "../../shared/email/dead-letters/replay.ts";
import { listDeadLetters, type DeadLetter } from "../../shared/email/dead-letters/store.ts";
import type { Failure } from "../../shared/failure.ts";
import { pageFrom, pageOf, shortList } from "../../shared/http/lists.ts";
import { ring } from "../../shared/email/outbox.ts";
import { resolution } from "../../shared/email/schemas.ts";
import { resolveUnknown } from "../../shared/email/unknown/store.ts";
import { readJson, validate } from "../../shared/http/body.ts";
import { fail, ok, type Result } from "../../shared/result.ts";
import { describeError, log } from "../../shared/telemetry/log.ts";
import { json, type Handler } from "./call.ts";
import { readDatabase, writeDatabase } from "./database.ts";

const count = (fallback: number, max: number) =>
  v.optional(
    v.pipe(
      v.number("must be a number"),
      v.integer("must be a whole number"),
      v.minValue(1, "must be at least 1"),
      v.maxValue(max, `must be at most ${max}`),
    ),
    fallback,
  );

/** Dead letters, oldest first. `nextCursor` is there while more follow. */
export const deadLetters: Handler = async ({ url, env }) => {
  const query = validate(pageOf, Object.fromEntries(url.searchParams));
  if (!query.ok) return query;
  const { limit, cursor } = query.value;
  const letters = await readDatabase(env, () => listDeadLetters(env.DB, cursor ?? null, limit + 1));
  if (!letters.ok) return letters;
  const { rows, ...next } = pageFrom(letters.value, limit, (letter) => letter.buriedAt);
  return json({ items: rows.map(deadLetterView), ...next });
};

function deadLetterView(letter: DeadLetter): Record<string, unknown> {
  const known = Object.entries(letter).filter(([, value]) => value !== null);
  return {
    ...Object.fromEntries(known),
    buriedAt: new Date(letter.buriedAt).toISOString(),
    expiresAt: new Date(letter.expiresAt).toISOString(),
  };
}

const replayRequest = v.strictObject({
  limit: count(10, 100),
  ids: v.optional(shortList(v.pipe(v.string("must be text"), v.maxLength(64, "is too long")), 100)),
});

/** Queues dead mails again. `success` means requeued: whether it arrives shows on the mail. */
export const processDeadLetters: Handler = async ({ request, env, now }) => {
  const wanted = await readJson(request, replayRequest);
  if (!wanted.ok) return wanted;
  const processed = await writeDatabase(() => process({ db: env.DB, queue: env.EMAIL_QUEUE }, wanted.value, now));
  return processed.ok ? json(processed.value) : processed;
};

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
