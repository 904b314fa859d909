import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { notify } from "../../shared/email/notify.ts";
import {
  deletePause,
  findPauses,
  savePause,
  type EmailPause,
} from "../../shared/email/sql/pauses.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { json, noContent, type Handler } from "./call.ts";
import { outboxOf } from "./outbox.ts";

/** What is paused. */
export const listPauses: Handler<"listPauses"> = async ({ env }) => {
  const found = await readDatabase(env, () => findPauses(env.DB));
  return found.ok ? json({ items: found.value.map(pauseAnswer) }) : found;
};

/** Pauses emails: what is claimed from now on waits. */
export const pauseEmails: Handler<"pauseEmails"> = async ({ body, env, now }) => {
  const write = () => savePause(env.DB, { ...body, createdAt: now });
  // Writing it twice has the effect of writing it once.
  const written = await writeDatabase(write, write);
  return written.ok ? json(pauseAnswer(written.value), { status: 201 }) : written;
};

/** Ends a pause. */
export const resumeEmails: Handler<"resumeEmails"> = async ({ params: { scope }, env, now }) => {
  const ended = await writeDatabase(() => deletePause(env.DB, scope, now));
  if (!ended.ok) return ended;
  await notify(outboxOf(env), ended.value.due, now);
  return ended.value.ended ? noContent() : fail({ tag: "not-found", what: "pause" });
};

const pauseAnswer = ({ scope, reason, createdAt }: EmailPause) => ({
  scope,
  reason,
  createdAt: new Date(createdAt).toISOString(),
});
