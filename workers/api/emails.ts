import * as v from "valibot";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { acceptEmails, type Sender } from "../../shared/email/outbox.ts";
import {
  emailBatch,
  emailQuery,
  idempotencyKey,
  type EmailView,
} from "../../shared/email/schemas.ts";
import { cancelEmail } from "../../shared/email/sql/cancel.ts";
import { findEmail, listEmails, type StoredEmail } from "../../shared/email/sql/emails.ts";
import { submissionOf } from "../../shared/email/submission.ts";
import { readJson } from "../../shared/http/body.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { problemOf } from "../../shared/http/problem.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { validate } from "../../shared/lib/worker/validate.ts";
import { json, type Caller, type Handler } from "./call.ts";

/** 202 once the mail is in D1; the delivery shows on `GET /api/emails/:id`. */
export const sendEmail: Handler = async ({ request, env, caller, now }) => {
  const key = keyOf(request);
  if (!key.ok) return key;
  // Whatever JSON it is: `submissionOf` looks at it.
  const wanted = await readJson(request, v.unknown());
  if (!wanted.ok) return wanted;
  const mail = submissionOf(env, wanted.value, senderOf(caller, key.value), now);
  if (!mail.ok) return mail;
  const [accepted] = await acceptEmails({ db: env.DB, queue: env.EMAIL_QUEUE }, [mail.value], now);
  if (accepted === undefined) return fail({ tag: "internal" });
  if (!accepted.ok) return accepted;
  const { id, status, replayed } = accepted.value;
  const headers = {
    Location: `/api/emails/${id}`,
    ...(replayed ? { "Idempotency-Replayed": "true" } : {}),
  };
  return json({ id, status }, { status: 202, headers });
};

/**
 * Up to a hundred mails, each accepted or refused by itself: `items` has an answer for each, in
 * their order. An Idempotency-Key holds for each mail at its place, so that the whole request can
 * be repeated.
 */
export const sendEmails: Handler = async ({ request, env, caller, now }) => {
  const key = keyOf(request);
  if (!key.ok) return key;
  const batch = await readJson(request, emailBatch);
  if (!batch.ok) return batch;
  const checked = batch.value.emails.map((email, n) =>
    submissionOf(
      env,
      email,
      senderOf(caller, key.value === null ? null : `${key.value}#${n}`),
      now,
    ),
  );
  const mails = checked.flatMap((mail, n) => (mail.ok ? [{ n, ...mail.value }] : []));
  const accepted = await acceptEmails({ db: env.DB, queue: env.EMAIL_QUEUE }, mails, now);
  const answers = new Map(mails.map(({ n }, place) => [n, accepted[place]]));
  const items = checked.map((message, n) => {
    const answer = message.ok ? answers.get(n) : message;
    if (answer?.ok) return { id: answer.value.id, status: answer.value.status };
    return { error: problemOf(answer?.error ?? { tag: "internal" }) };
  });
  return json(
    {
      accepted: accepted.filter((mail) => mail.ok).length,
      refused: items.filter((item) => "error" in item).length,
      items,
    },
    { status: 202 },
  );
};

/** Ends a mail that has not left. Of a cancel and a delivery that race, one wins. */
export const cancel: Handler = async ({ params, env, caller, now }) => {
  const id = params["id"] ?? "";
  const tenant = caller.role === "admin" ? null : tenantOf(caller);
  const write = () => cancelEmail(env.DB, id, tenant, now);
  const cancelled = await writeDatabase(write, write);
  if (!cancelled.ok) return cancelled;
  if (cancelled.value === null) return fail({ tag: "not-found", what: "email" });
  if (!cancelled.value.cancelled) {
    return fail({
      tag: "wrong-state",
      detail: `Only a scheduled or queued mail can be cancelled; this one is ${cancelled.value.status}.`,
    });
  }
  return json({ id, status: "cancelled" });
};

function keyOf(request: Request): Result<string | null, Failure> {
  const key = request.headers.get("Idempotency-Key");
  if (key === null) return ok(null);
  const checked = validate(idempotencyKey, key);
  if (checked.ok) return checked;
  return fail({
    tag: "invalid",
    errors: checked.error.errors.map(({ message }) => ({ path: "Idempotency-Key", message })),
  });
}

function senderOf(caller: Caller, key: string | null): Omit<Sender, "from"> {
  return { tenant: tenantOf(caller), ...(key !== null && { idempotencyKey: key }) };
}

/** A mail of another tenant is as absent as one that never was. */
export const getEmail: Handler = async ({ params, env, caller }) => {
  const found = await readDatabase(env, () => findEmail(env.DB, params["id"] ?? ""));
  if (!found.ok) return found;
  if (
    found.value === null ||
    (caller.role === "user" && found.value.email.tenant !== tenantOf(caller))
  ) {
    return fail({ tag: "not-found", what: "email" });
  }
  return json({ ...emailView(found.value.email), events: found.value.events });
};

/** The caller's mails, newest first; for the admin everybody's. */
export const getEmails: Handler = async ({ url, env, caller }) => {
  const query = validate(emailQuery, Object.fromEntries(url.searchParams));
  if (!query.ok) return query;
  const { limit, cursor, status, to } = query.value;
  const tenant = caller.role === "user" ? tenantOf(caller) : null;
  const filter = { tenant, status: status ?? null, to: to ?? null, before: cursor ?? null };
  const found = await readDatabase(env, () => listEmails(env.DB, filter, limit + 1));
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, (mail) => mail.createdAt);
  return json({ items: rows.map(emailView), ...next });
};

/** A tenant is the owner of the key. */
function tenantOf(caller: Caller): string {
  return caller.role === "user" ? `user:${caller.user.userId}` : "admin";
}

function emailView(mail: StoredEmail): EmailView {
  return {
    id: mail.id,
    status: mail.status,
    to: mail.to,
    subject: mail.subject,
    generation: mail.generation,
    attempts: mail.attempts,
    onUnknown: mail.onUnknown,
    category: mail.category,
    ...(mail.tags.length === 0 ? {} : { tags: mail.tags }),
    createdAt: new Date(mail.createdAt).toISOString(),
    updatedAt: new Date(mail.updatedAt).toISOString(),
    ...(["queued", "scheduled", "pinned"].includes(mail.status)
      ? { dueAt: new Date(mail.dueAt).toISOString() }
      : {}),
    ...(mail.sentAt === null ? {} : { sentAt: new Date(mail.sentAt).toISOString() }),
    ...(mail.lastError === null ? {} : { lastError: mail.lastError }),
    ...(mail.traceId === null ? {} : { traceId: mail.traceId }),
  };
}
