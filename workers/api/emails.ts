import type { ContentAnswer } from "../../shared/contract/email-content.ts";
import type { EmailAnswer } from "../../shared/contract/emails.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { feedbackSources } from "../../shared/email/feedback-sources.ts";
import { withFiles } from "../../shared/email/files/wanted.ts";
import { notify } from "../../shared/email/notify.ts";
import { acceptEmails } from "../../shared/email/outbox.ts";
import { findRepeat } from "../../shared/email/repeat.ts";
import { parseMailbox, quotedMailbox } from "../../shared/email/rules/address.ts";
import { emailFeedback, type FeedbackSources } from "../../shared/email/rules/feedback-sources.ts";
import { mailboxesFromColumn } from "../../shared/email/rules/mailboxes.ts";
import { checkSendAt } from "../../shared/email/schemas.ts";
import { sender } from "../../shared/email/settings.ts";
import { cancelQueued } from "../../shared/email/sql/cancel.ts";
import { findEmails } from "../../shared/email/sql/email-search.ts";
import { findEmail, type StoredContent, type StoredEmail } from "../../shared/email/sql/emails.ts";
import { moveScheduled } from "../../shared/email/sql/reschedule.ts";
import { submissionFrom, submissionOf, templatesIn } from "../../shared/email/submission.ts";
import { templatesInCache } from "../../shared/email/templates/published.ts";
import { problemOf } from "../../shared/http/problem.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { fanOut } from "../../shared/lib/worker/fan-out.ts";
import { json, ownerOf, tenantOf, type Handler } from "./call.ts";
import { senderOfCaller } from "./email-caller.ts";
import { outboxOf } from "./outbox.ts";

/** 202 once the email is in D1. `GET /api/emails/:id` shows its delivery. */
export const sendEmail: Handler<"sendEmail"> = async ({
  body,
  idempotencyKey,
  env,
  caller,
  now,
  along,
}) => {
  const who = senderOfCaller(env, caller, idempotencyKey);
  if (!who.ok) return who;
  const templates = await templatesInCache(env)(who.value.tenant, templatesIn([body]));
  if (!templates.ok) return templates;
  const given = { now, templates: templates.value };
  const submission = withFiles(env, submissionFrom(env, body, who.value, given));
  const [accepted] = submission.ok
    ? await acceptEmails(outboxOf(env), [submission.value], now, along)
    : [(await findRepeat(env.DB, body, who.value, now)) ?? submission];
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
 * Accepts up to 100 emails, each on its own. `items` has an answer for each, in their order. The
 * Idempotency-Key with the position identifies an email, so that the whole request can be repeated.
 */
export const sendEmails: Handler<"sendEmails"> = async ({
  body,
  idempotencyKey,
  env,
  caller,
  now,
  along,
}) => {
  const who = senderOfCaller(env, caller, idempotencyKey);
  if (!who.ok) return who;
  const templates = await templatesInCache(env)(who.value.tenant, templatesIn(body.emails));
  if (!templates.ok) return templates;
  const given = { now, templates: templates.value };
  const checked = body.emails.map((email, n) =>
    withFiles(env, submissionOf(env, email, { ...who.value, position: n }, given)),
  );
  const submissions = checked.flatMap((one, n) => (one.ok ? [{ n, ...one.value }] : []));
  const accepted = await acceptEmails(outboxOf(env), submissions, now, along);
  const answers = new Map(submissions.map(({ n }, place) => [n, accepted[place]]));
  const repeats = await fanOut(checked, async (one, n) =>
    one.ok ? null : await findRepeat(env.DB, body.emails[n], { ...who.value, position: n }, now),
  );
  const items = checked.map((one, n) => {
    const answer = one.ok ? answers.get(n) : (repeats[n] ?? one);
    if (answer?.ok) return { id: answer.value.id, status: answer.value.status };
    return { error: problemOf(answer?.error ?? { tag: "internal" }) };
  });
  return json(
    {
      accepted: items.filter((item) => "id" in item).length,
      refused: items.filter((item) => "error" in item).length,
      items,
    },
    { status: 202 },
  );
};

/** Cancels an email that has not left. If a cancel and a delivery race, one wins. */
export const cancelEmail: Handler<"cancelEmail"> = async ({ params: { id }, env, caller, now }) => {
  const tenant = ownerOf(caller);
  const write = () => cancelQueued(env.DB, id, tenant, now);
  const cancelled = await writeDatabase(write, write);
  if (!cancelled.ok) return cancelled;
  if (cancelled.value === null) return fail({ tag: "not-found", what: "email" });
  if (!cancelled.value.cancelled) {
    return fail({
      tag: "wrong-state",
      detail:
        "Only a scheduled or queued email can be cancelled; " +
        `this one is ${cancelled.value.status}.`,
    });
  }
  return json({ id, status: "cancelled" });
};

/** Moves an email that waits for its time. If a move and that time race, one wins. */
export const moveEmail: Handler<"moveEmail"> = async ({
  params: { id },
  body: { sendAt },
  env,
  caller,
  now,
}) => {
  const errors = checkSendAt({ sendAt }, now);
  if (errors.length > 0) return fail({ tag: "invalid", errors });
  const tenant = ownerOf(caller);
  const write = () => moveScheduled(env.DB, { id, tenant, sendAt }, now);
  const moved = await writeDatabase(write, write);
  if (!moved.ok) return moved;
  if (moved.value === null) return fail({ tag: "not-found", what: "email" });
  if (!moved.value.moved) {
    return fail({
      tag: "wrong-state",
      detail: `Only a scheduled email can be moved; this one is ${moved.value.status}.`,
    });
  }
  const { generation, dueAt } = moved.value;
  await notify(outboxOf(env), [{ id, generation, dueAt }], now);
  return json({ id, status: "scheduled", dueAt: new Date(dueAt).toISOString() });
};

/** An email of another tenant is answered like one that does not exist. */
export const getEmail: Handler<"getEmail"> = async ({ params: { id }, query, env, caller }) => {
  // An email may have a secret of its recipient, such as a link. An operator who may not send it
  // again does not get it.
  const mayReadContent = caller.role === "tenant" || caller.scopes.includes("emails:replay");
  const withContent = mayReadContent && query.content === "true";
  const found = await readDatabase(env, () => findEmail(env.DB, id, withContent));
  if (!found.ok) return found;
  if (
    found.value === null ||
    (caller.role === "tenant" && found.value.email.tenant !== tenantOf(caller))
  ) {
    return fail({ tag: "not-found", what: "email" });
  }
  const { email, content, events } = found.value;
  return json({
    ...emailAnswer(email, feedbackSources(env)),
    ...(content !== null && { content: contentAnswer(content) }),
    events,
  });
};

/** The caller's emails, newest first; all emails for the admin or the read-only token. */
export const listEmails: Handler<"listEmails"> = async ({ query, env, caller }) => {
  const { limit, cursor, from, ...filter } = query;
  const own = ownerOf(caller);
  if (own !== null && query.tenant !== undefined && query.tenant !== own)
    return fail({ tag: "forbidden", detail: "A user's key lists only the user's own emails." });
  const standard = sender(env);
  const search = {
    ...filter,
    tenant: own ?? query.tenant ?? null,
    from: from?.toLowerCase() ?? null,
    before: cursor ?? null,
    // Without a valid EMAIL_FROM no email was accepted from it.
    standard: standard.ok ? parseMailbox(standard.value).address.toLowerCase() : null,
  };
  const found = await readDatabase(env, () => findEmails(env.DB, search, limit));
  if (!found.ok) return found;
  const { emails, next, isCut } = found.value;
  const sources = feedbackSources(env);
  return json({
    items: emails.map((email) => emailAnswer(email, sources)),
    ...(next !== null && { nextCursor: `${next.createdAt}~${next.id}` }),
    ...(next !== null && isCut && { searchedBackTo: new Date(next.createdAt).toISOString() }),
  });
};

function contentAnswer({ html, text, headers, attachments }: StoredContent): ContentAnswer {
  return {
    ...(html !== null && { html }),
    ...(text !== null && { text }),
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(attachments.length > 0 && {
      attachments: attachments.map(({ contentId, ...file }) => ({
        ...file,
        ...(contentId !== null && { contentId }),
      })),
    }),
  };
}

function emailAnswer(email: StoredEmail, sources: FeedbackSources): EmailAnswer {
  return {
    id: email.id,
    status: email.status,
    from: email.from,
    ...(email.senderId !== null && { senderId: email.senderId }),
    to: email.to,
    recipients: email.recipients.map(({ kind, address, name, state, detail: said }) => ({
      kind,
      address,
      ...(name !== "" && { name }),
      state,
      ...(said !== null && { detail: said }),
    })),
    ...(email.replyTo !== null && {
      replyTo: mailboxesFromColumn(email.replyTo).map(quotedMailbox),
    }),
    subject: email.subject,
    generation: email.generation,
    attempts: email.attempts,
    onUnknown: email.onUnknown,
    category: email.category,
    ...(email.template !== null && { template: email.template }),
    ...(email.tags.length === 0 ? {} : { tags: email.tags }),
    createdAt: new Date(email.createdAt).toISOString(),
    updatedAt: new Date(email.updatedAt).toISOString(),
    ...(["queued", "scheduled", "pinned"].includes(email.status)
      ? { dueAt: new Date(email.dueAt).toISOString() }
      : {}),
    ...waitOf(email),
    ...(email.sentAt === null ? {} : { sentAt: new Date(email.sentAt).toISOString() }),
    ...feedbackOf(email, sources),
    ...(email.lastError === null ? {} : { lastError: email.lastError }),
    ...(email.traceId === null ? {} : { traceId: email.traceId }),
    ...(email.test === 1 && { test: true as const }),
  };
}

function feedbackOf(
  { sentAt, transport, from }: StoredEmail,
  sources: FeedbackSources,
): Partial<EmailAnswer> {
  if (sentAt === null || transport === null) return {};
  return { feedback: emailFeedback(transport, parseMailbox(from).address, sources) };
}

function waitOf({ status, waitClass, waitingSince, waits }: StoredEmail): Partial<EmailAnswer> {
  if (status !== "queued" || waitClass === null) return {};
  const since = waitingSince === null ? {} : { since: new Date(waitingSince).toISOString() };
  return { waiting: { reason: waitClass, ...since, answers: waits } };
}
