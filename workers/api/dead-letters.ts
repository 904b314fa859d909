import * as v from "valibot";
import { processDeadLetters as process } from "../../shared/email/dead-letters/replay.ts";
import { discardDeadLetter, findDeadLetter, listDeadLetters, type DeadLetter } from "../../shared/email/dead-letters/store.ts";
import { findEmail } from "../../shared/email/store.ts";
import type { Failure } from "../../shared/failure.ts";
import { readJson, validate } from "../../shared/http/body.ts";
import { pageFrom, pageOf, shortList } from "../../shared/http/lists.ts";
import { timestamp } from "../../shared/http/time.ts";
import { fail, ok } from "../../shared/result.ts";
import { json, pathParam, type Handler } from "./call.ts";
import { readDatabase, writeDatabase } from "./database.ts";

const noSuchLetter: Failure = { tag: "not-found", what: "dead letter" };

const text = v.pipe(v.string("must be text"), v.minLength(1, "is empty"), v.maxLength(320, "is too long"));
const filter = {
  kind: v.optional(v.picklist(["email", "poison"], 'must be "email" or "poison"')),
  reason: v.optional(
    v.picklist(["exhausted", "permanent", "operator", "suppressed"], 'must be "exhausted", "permanent", "operator" or "suppressed"'),
  ),
  tenant: v.optional(text),
  to: v.optional(text),
  buriedBefore: v.optional(timestamp),
};

const listQuery = v.strictObject({ ...pageOf.entries, ...filter });

/** Dead letters, oldest first. `nextCursor` is there while more follow. */
export const deadLetters: Handler = async ({ url, env }) => {
  const query = validate(listQuery, Object.fromEntries(url.searchParams));
  if (!query.ok) return query;
  const { limit, cursor, ...wanted } = query.value;
  const letters = await readDatabase(env, () => listDeadLetters(env.DB, wanted, cursor ?? null, limit + 1));
  if (!letters.ok) return letters;
  const { rows, ...next } = pageFrom(letters.value, limit, (letter) => letter.buriedAt);
  return json({ items: rows.map(deadLetterView), ...next });
};

/** One dead letter with the answer to each attempt, or the body of a message that nobody understood. */
export const inspectDeadLetter: Handler = async ({ params, env }) => {
  const id = pathParam(params, "id") ?? "";
  const letter = await readDatabase(env, () => findDeadLetter(env.DB, id));
  if (!letter.ok) return letter;
  if (letter.value === null) return fail(noSuchLetter);
  const mail = await readDatabase(env, () => findEmail(env.DB, id));
  if (!mail.ok) return mail;
  return json({ ...deadLetterView(letter.value), events: mail.value?.events ?? [] });
};

/** Throws a dead letter away, and its mail with it: that is `discarded`, for good. */
export const removeDeadLetter: Handler = async ({ params, env, now }) => {
  const id = pathParam(params, "id") ?? "";
  const discarded = await writeDatabase(
    () => discardDeadLetter(env.DB, id, now),
    async () => ((await findDeadLetter(env.DB, id)) === null ? true : null),
  );
  if (!discarded.ok) return discarded;
  return discarded.value ? ok(new Response(null, { status: 204 })) : fail(noSuchLetter);
};

function deadLetterView(letter: DeadLetter): Record<string, unknown> {
  const known = Object.entries(letter).filter(([, value]) => value !== null);
  return {
    ...Object.fromEntries(known),
    buriedAt: new Date(letter.buriedAt).toISOString(),
    expiresAt: new Date(letter.expiresAt).toISOString(),
  };
}

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

const replayRequest = v.pipe(
  v.strictObject({
    limit: count(10, 1_000),
    ids: v.optional(shortList(v.pipe(v.string("must be text"), v.maxLength(64, "is too long")), 1_000)),
    filter: v.optional(v.strictObject({ reason: filter.reason, tenant: filter.tenant, to: filter.to, buriedBefore: filter.buriedBefore })),
    dryRun: v.optional(v.boolean("must be true or false"), false),
    ratePerSecond: count(10, 1_000),
  }),
  v.check((wanted) => wanted.ids === undefined || wanted.filter === undefined, "must name either ids or a filter"),
);

/** Queues dead mails again. `success` means requeued: whether it arrives shows on the mail. */
export const processDeadLetters: Handler = async ({ request, env, now }) => {
  const wanted = await readJson(request, replayRequest);
  if (!wanted.ok) return wanted;
  const processed = await writeDatabase(() => process({ db: env.DB, queue: env.EMAIL_QUEUE }, wanted.value, now));
  return processed.ok ? json(processed.value) : processed;
};
