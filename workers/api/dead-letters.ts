import * as contract from "../../shared/contract/dead-letters.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { notify } from "../../shared/email/outbox.ts";
import { previewReplay, replayDeadLetters, wantedEmails } from "../../shared/email/replay.ts";
import {
  discardDeadLetter,
  findDeadLetter,
  listDeadLetters,
  type DeadLetter,
} from "../../shared/email/sql/dead-letters.ts";
import { findEmail } from "../../shared/email/sql/emails.ts";
import { readJson } from "../../shared/http/body.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { fail, ok } from "../../shared/lib/base/result.ts";
import { validate } from "../../shared/lib/worker/validate.ts";
import { json, pathParam, type Handler } from "./call.ts";

const noSuchLetter: Failure = { tag: "not-found", what: "dead letter" };

/** Dead letters, oldest first. `nextCursor` is there while more follow. */
export const deadLetters: Handler = async ({ url, env }) => {
  const query = validate(contract.listDeadLetters.query, Object.fromEntries(url.searchParams));
  if (!query.ok) return query;
  const { limit, cursor, ...wanted } = query.value;
  const letters = await readDatabase(env, () =>
    listDeadLetters(env.DB, wanted, cursor ?? null, limit + 1),
  );
  if (!letters.ok) return letters;
  const { rows, ...next } = pageFrom(letters.value, limit, (letter) => letter.buriedAt);
  return json({ items: rows.map(deadLetterView), ...next });
};

/**
 * One dead letter with the answer to each attempt, or the body of a message that nobody understood.
 */
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

/** Queues dead mails again. `success` means requeued: whether it arrives shows on the mail. */
export const processDeadLetters: Handler = async ({ request, env, now }) => {
  const wanted = await readJson(request, contract.processDeadLetters.body);
  if (!wanted.ok) return wanted;
  const { dryRun, ratePerSecond, ...which } = wanted.value;
  const ids = await readDatabase(env, () => wantedEmails(env.DB, which));
  if (!ids.ok) return ids;
  if (dryRun) {
    const preview = await readDatabase(env, () => previewReplay(env.DB, ids.value));
    return preview.ok ? json(preview.value) : preview;
  }
  const replayed = await writeDatabase(() =>
    replayDeadLetters(env.DB, ids.value, ratePerSecond, now),
  );
  if (!replayed.ok) return replayed;
  await notify({ db: env.DB, queue: env.EMAIL_QUEUE }, replayed.value.requeued, now);
  return json(replayed.value.processed);
};
