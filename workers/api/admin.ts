import * as v from "valibot";
import { processDeadLetters as process } from "../../shared/email/dead-letters/replay.ts";
import { listDeadLetters, type DeadLetter, type DeadLetterCursor } from "../../shared/email/dead-letters/store.ts";
import { shortList } from "../../shared/http/lists.ts";
import { readJson, validate } from "../../shared/http/body.ts";
import { fail } from "../../shared/result.ts";
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

const page = v.strictObject({
  limit: v.optional(v.pipe(v.string(), v.regex(/^([1-9]\d?|100)$/, "must be from 1 to 100"), v.transform(Number)), "20"),
  cursor: v.optional(v.pipe(v.string(), v.regex(/^\d{1,15}~[\w:-]{1,200}$/, "is not a cursor of this list"))),
});

/** Dead letters, oldest first. `nextCursor` is there while more follow. */
export const deadLetters: Handler = async ({ url, env }) => {
  const query = validate(page, Object.fromEntries(url.searchParams));
  if (!query.ok) return query;
  const { limit, cursor } = query.value;
  const letters = await readDatabase(() => listDeadLetters(env.DB, cursor === undefined ? null : parseCursor(cursor), limit + 1));
  if (!letters.ok) return letters;
  const items = letters.value.slice(0, limit);
  const last = items.at(-1);
  const nextCursor = letters.value.length > limit && last !== undefined ? { nextCursor: `${last.buriedAt}~${last.id}` } : {};
  return json({ items: items.map(deadLetterView), ...nextCursor });
};

function parseCursor(cursor: string): DeadLetterCursor {
  const at = cursor.indexOf("~");
  return { buriedAt: Number(cursor.slice(0, at)), id: cursor.slice(at + 1) };
}

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

export const runTask: Handler = async ({ params, env }) => {
  try {
    const result = await env.CRON.run(params["name"] ?? "");
    return result.status === "not-found" ? fail({ tag: "not-found", what: "task" }) : json(result);
  } catch (error) {
    log("error", "task.run_failed", describeError(error));
    return fail({ tag: "unavailable", dependency: "scheduler" });
  }
};
