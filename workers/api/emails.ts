import { sender } from "../../shared/config.ts";
import { acceptEmail } from "../../shared/email/outbox.ts";
import { emailMessage, emailQuery, idempotencyKey, type EmailView } from "../../shared/email/schemas.ts";
import { findEmail, listEmails, type StoredEmail } from "../../shared/email/store.ts";
import { readJson, validate } from "../../shared/http/body.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { fail } from "../../shared/result.ts";
import { json, type Caller, type Handler } from "./call.ts";
import { readDatabase } from "./database.ts";

/** 202 once the mail is in D1; the delivery shows on `GET /api/emails/:id`. */
export const sendEmail: Handler = async ({ request, env, caller, now }) => {
  const key = request.headers.get("Idempotency-Key");
  const checkedKey = key === null ? null : validate(idempotencyKey, key);
  if (checkedKey !== null && !checkedKey.ok) {
    return fail({ tag: "invalid", errors: checkedKey.error.errors.map(({ message }) => ({ path: "Idempotency-Key", message })) });
  }
  const message = await readJson(request, emailMessage);
  if (!message.ok) return message;
  const from = sender(env);
  if (!from.ok) return from;
  const accepted = await acceptEmail(
    { db: env.DB, queue: env.EMAIL_QUEUE },
    message.value,
    { tenant: tenantOf(caller), from: from.value, ...(key === null ? {} : { idempotencyKey: key }) },
    now,
  );
  if (!accepted.ok) return accepted;
  const { id, status, replayed } = accepted.value;
  const headers = { Location: `/api/emails/${id}`, ...(replayed ? { "Idempotency-Replayed": "true" } : {}) };
  return json({ id, status }, { status: 202, headers });
};

/** A mail of another tenant is as absent as one that never was. */
export const getEmail: Handler = async ({ params, env, caller }) => {
  const found = await readDatabase(env, () => findEmail(env.DB, params["id"] ?? ""));
  if (!found.ok) return found;
  if (found.value === null || (caller.role !== "admin" && found.value.mail.tenant !== tenantOf(caller))) {
    return fail({ tag: "not-found", what: "email" });
  }
  return json({ ...emailView(found.value.mail), events: found.value.events });
};

/** The caller's mails, newest first; for the admin everybody's. */
export const getEmails: Handler = async ({ url, env, caller }) => {
  const query = validate(emailQuery, Object.fromEntries(url.searchParams));
  if (!query.ok) return query;
  const { limit, cursor, status } = query.value;
  const tenant = caller.role === "admin" ? null : tenantOf(caller);
  const found = await readDatabase(env, () => listEmails(env.DB, { tenant, status: status ?? null, before: cursor ?? null }, limit + 1));
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
    createdAt: new Date(mail.createdAt).toISOString(),
    updatedAt: new Date(mail.updatedAt).toISOString(),
    ...(mail.status === "queued" ? { dueAt: new Date(mail.dueAt).toISOString() } : {}),
    ...(mail.sentAt === null ? {} : { sentAt: new Date(mail.sentAt).toISOString() }),
    ...(mail.lastError === null ? {} : { lastError: mail.lastError }),
  };
}
