import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { notify } from "../../shared/email/notify.ts";
import { previewReplay, replayDeadLetters, wantedEmails } from "../../shared/email/replay.ts";
import { causesOf } from "../../shared/email/rules/causes.ts";
import {
  saveDiscard,
  findDeadLetter,
  findDeadLetters,
  oldestWithCause,
  type DeadLetter,
} from "../../shared/email/sql/dead-letters.ts";
import { findEmail } from "../../shared/email/sql/emails.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { json, noContent, type Handler } from "./call.ts";
import { outboxOf } from "./outbox.ts";

const noSuchDeadLetter: Failure = { tag: "not-found", what: "dead letter" };

/** Dead letters, oldest first. `nextCursor` is present while more follow. */
export const listDeadLetters: Handler<"listDeadLetters"> = async ({ query, env }) => {
  const { limit, cursor, ...wanted } = query;
  const found = await readDatabase(env, () =>
    findDeadLetters(env.DB, wanted, cursor ?? null, limit + 1),
  );
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, (one) => one.buriedAt);
  return json({ items: rows.map(deadLetterAnswer), ...next });
};

/** As many as one replay takes. */
const MAX_LETTERS = 1_000;

/** The oldest dead emails by what ended them. */
export const listDeadLetterCauses: Handler<"listDeadLetterCauses"> = async ({ query, env }) => {
  const found = await readDatabase(env, () => oldestWithCause(env.DB, query, MAX_LETTERS + 1));
  if (!found.ok) return found;
  const causes = causesOf(found.value.slice(0, MAX_LETTERS));
  return json({
    items: causes.map(({ oldestAt, newestAt, ...cause }) => ({
      ...Object.fromEntries(Object.entries(cause).filter(([, value]) => value !== null)),
      oldestAt: new Date(oldestAt).toISOString(),
      newestAt: new Date(newestAt).toISOString(),
    })),
    more: found.value.length > MAX_LETTERS,
  });
};

/** One dead letter with the answer to each attempt, or with the body of an invalid message. */
export const getDeadLetter: Handler<"getDeadLetter"> = async ({ params: { id }, env }) => {
  const deadLetter = await readDatabase(env, () => findDeadLetter(env.DB, id));
  if (!deadLetter.ok) return deadLetter;
  if (deadLetter.value === null) return fail(noSuchDeadLetter);
  const email = await readDatabase(env, () => findEmail(env.DB, id));
  if (!email.ok) return email;
  return json({ ...deadLetterAnswer(deadLetter.value), events: email.value?.events ?? [] });
};

/** Deletes a dead letter. Its email becomes `discarded` permanently. */
export const discardDeadLetter: Handler<"discardDeadLetter"> = async ({
  params: { id },
  env,
  now,
}) => {
  const discarded = await writeDatabase(
    () => saveDiscard(env.DB, id, now),
    async () => ((await findDeadLetter(env.DB, id)) === null ? true : null),
  );
  if (!discarded.ok) return discarded;
  return discarded.value ? noContent() : fail(noSuchDeadLetter);
};

function deadLetterAnswer(deadLetter: DeadLetter): Record<string, unknown> {
  const known = Object.entries(deadLetter).filter(([, value]) => value !== null);
  return {
    ...Object.fromEntries(known),
    buriedAt: new Date(deadLetter.buriedAt).toISOString(),
    expiresAt: new Date(deadLetter.expiresAt).toISOString(),
  };
}

/** Queues dead emails again. `success` means requeued; the email shows its delivery. */
export const processDeadLetters: Handler<"processDeadLetters"> = async ({ body, env, now }) => {
  const { dryRun, ratePerSecond, ...which } = body;
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
  await notify(outboxOf(env), replayed.value.requeued, now);
  return json(replayed.value.processed);
};
