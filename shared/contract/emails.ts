import * as v from "valibot";
import { emailForms } from "../email/forms.ts";
import { feedbackStates } from "../email/rules/feedback-sources.ts";
import { MAX_REQUEST_BYTES } from "../email/rules/large-files.ts";
import { emailStatuses } from "../email/rules/lifecycle.ts";
import { recipientStates } from "../email/rules/recipients.ts";
import { waitClasses } from "../email/rules/waits.ts";
import { emailBatch, emailQuery, emailRequest, resolution } from "../email/schemas.ts";
import { templateName } from "../email/templates/templates.ts";
import { time, timestamp } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { describedAs } from "./described.ts";
import { emailContent } from "./email-content.ts";
import { count, emailEvents, operation, page, problem } from "./operation.ts";

const tag = "emails";
const status = v.picklist(emailStatuses);

const attemptDetail = named("AttemptDetail", {
  transport: v.string(),
  phase: v.string(),
  code: v.optional(v.union([v.number(), v.string()])),
  enhancedCode: v.optional(v.string()),
  text: v.string(),
  providerId: v.optional(v.string()),
});

const recipient = named("Recipient", {
  kind: v.picklist(["to", "cc", "bcc"]),
  address: v.string(),
  name: v.optional(v.string()),
  state: v.picklist(recipientStates),
  detail: v.optional(attemptDetail),
});

const email = named("Email", {
  id: v.string(),
  status,
  from: v.string(),
  senderId: v.optional(v.string()),
  to: v.string(),
  recipients: v.array(recipient),
  replyTo: v.optional(v.array(v.string())),
  subject: v.string(),
  generation: count,
  attempts: count,
  onUnknown: v.picklist(["hold", "resend"]),
  createdAt: time,
  updatedAt: time,
  category: v.picklist(["transactional", "notification", "marketing"]),
  tags: v.optional(v.array(v.string())),
  dueAt: v.optional(time),
  waiting: v.optional(
    named("EmailWait", {
      reason: v.picklist([...waitClasses, "paused"]),
      since: v.optional(time),
      answers: count,
    }),
  ),
  sentAt: v.optional(time),
  feedback: v.optional(v.picklist(feedbackStates)),
  lastError: v.optional(attemptDetail),
  traceId: v.optional(v.string()),
  test: v.optional(v.literal(true)),
});

/**
 * An email as the HTTP API shows it. `senderId`: the sender that it named. `dueAt`: when it is
 * tried next, only while `scheduled`, `queued` or `pinned`. `waiting`: for a reason that is not its
 * own, after so many answers of that reason, one after another; 0 while it is paused or only the
 * circuit breaker is open. `feedback`: of one that has left, whether its transport reports bounces;
 * `not-configured`: it stays `sent`. `traceId`: also in the log lines about it; emails of earlier
 * releases have none. `test`: a key for tests sent it.
 */
export type EmailAnswer = v.InferOutput<typeof email>;

const accepted = named("AcceptedEmail", { id: v.string(), status });

export const sendEmail = operation({
  id: "sendEmail",
  method: "POST",
  path: "/api/emails",
  access: "mailer",
  tag,
  summary: "Accept an email: 202 once it is in D1. GET /api/emails/:id shows its delivery.",
  idempotent: true,
  body: describedAs(emailRequest, emailForms),
  maxBodyBytes: MAX_REQUEST_BYTES,
  answers: { 202: accepted },
  problems: [
    "idempotency-key-reused",
    "suppressed",
    "daily-limit",
    "unavailable",
    "outcome-unknown",
    "misconfigured",
  ],
});

export const sendEmails = operation({
  id: "sendEmails",
  method: "POST",
  path: "/api/emails/batch",
  access: "mailer",
  tag,
  summary: "Accept up to 100 emails, each accepted or refused on its own, answered in their order.",
  idempotent: true,
  body: emailBatch,
  maxBodyBytes: MAX_REQUEST_BYTES,
  answers: {
    202: v.strictObject({
      accepted: count,
      refused: count,
      items: v.array(v.union([accepted, v.strictObject({ error: problem })])),
    }),
  },
  problems: [],
});

export const listEmails = operation({
  id: "listEmails",
  method: "GET",
  path: "/api/emails",
  access: "reader",
  tag,
  summary:
    "The caller's emails, newest first; all emails, or those of one tenant, for the admin or the " +
    "read-only token. A page looks at up to 1,000 emails: with a nextCursor there may be more, " +
    "though it shows fewer than the limit, or none. searchedBackTo is how far it looked then.",
  query: emailQuery,
  answers: {
    200: v.strictObject({ ...page(email).entries, searchedBackTo: v.optional(time) }),
  },
  problems: ["forbidden", "unavailable"],
});

export const getEmail = operation({
  id: "getEmail",
  method: "GET",
  path: "/api/emails/:id",
  access: "reader",
  tag,
  summary:
    "An email with its timeline, each attempt with the server's answer, and with content=true " +
    "its content while that is kept. The read-only token gets no content.",
  query: v.strictObject({
    content: v.optional(v.picklist(["true", "false"], 'must be "true" or "false"'), "false"),
  }),
  answers: {
    200: named("EmailWithEvents", {
      ...email.entries,
      content: v.optional(emailContent),
      events: emailEvents,
    }),
  },
  problems: ["not-found", "unavailable"],
});

export const cancelEmail = operation({
  id: "cancelEmail",
  method: "POST",
  path: "/api/emails/:id/cancel",
  access: "caller",
  tag,
  summary: "Cancel an email that has not left.",
  answers: { 200: v.strictObject({ id: v.string(), status: v.literal("cancelled") }) },
  problems: ["not-found", "wrong-state", "unavailable", "outcome-unknown"],
});

export const moveEmail = operation({
  id: "moveEmail",
  method: "PATCH",
  path: "/api/emails/:id",
  access: "caller",
  tag,
  summary: "Move a scheduled email to another time. A time in the past means now.",
  body: v.strictObject({ sendAt: timestamp }),
  answers: {
    200: v.strictObject({ id: v.string(), status: v.literal("scheduled"), dueAt: time }),
  },
  problems: ["not-found", "wrong-state", "unavailable", "outcome-unknown"],
});

export const resolveEmail = operation({
  id: "resolveEmail",
  method: "POST",
  path: "/api/admin/email/:id/resolve",
  access: "admin",
  tag: "operations",
  summary: "Set the outcome of an unknown or pinned email.",
  body: resolution,
  answers: { 200: v.strictObject({ id: v.string(), status, generation: count }) },
  problems: ["not-found", "unavailable", "outcome-unknown"],
});

export const retryEmail = operation({
  id: "retryEmail",
  method: "POST",
  path: "/api/admin/email/:id/retry",
  access: "admin",
  tag: "operations",
  summary: "Try an email at once that waits for a server, a rate or a full mailbox.",
  answers: { 200: v.strictObject({ id: v.string(), status: v.literal("queued"), dueAt: time }) },
  problems: ["not-found", "wrong-state", "unavailable", "outcome-unknown"],
});

export const listTemplates = operation({
  id: "listTemplates",
  method: "GET",
  path: "/api/admin/email/templates",
  access: "viewer",
  tag: "operations",
  summary: "The names of the templates.",
  answers: { 200: v.strictObject({ items: v.array(v.strictObject({ name: v.string() })) }) },
  problems: [],
});

export const previewTemplate = operation({
  id: "previewTemplate",
  method: "GET",
  path: "/api/admin/email/templates/:name/preview",
  access: "viewer",
  tag: "operations",
  summary: "A template with example data, as HTML, text or JSON.",
  params: { name: { schema: templateName, names: "template" } },
  query: v.strictObject({
    format: v.optional(
      v.picklist(["html", "text", "json"], 'must be "html", "text" or "json"'),
      "html",
    ),
  }),
  answers: { 200: { mediaType: "text/html" } },
  problems: [],
});

export const takeWebhook = operation({
  id: "takeWebhook",
  method: "POST",
  path: "/api/webhooks/:provider",
  access: "anyone",
  tag: "webhooks",
  signed: true,
  summary:
    "Delivery events, signed by the provider: resend (Standard Webhooks) or ses (Amazon SNS).",
  answers: {
    200: v.union([
      v.strictObject({
        taken: v.picklist(["repeated", "unknown-mail", "mirrored", "subscribed", "ignored"]),
      }),
      v.strictObject({ taken: v.literal("applied"), id: v.string(), status, changed: v.boolean() }),
    ]),
  },
  problems: ["bad-signature", "body-too-large", "not-found", "unavailable", "outcome-unknown"],
});

export const askToUnsubscribe = operation({
  id: "askToUnsubscribe",
  method: "GET",
  path: "/unsubscribe/:token",
  access: "anyone",
  tag: "webhooks",
  signed: true,
  summary: "A page that asks for confirmation to unsubscribe.",
  answers: { 200: { mediaType: "text/html" } },
  problems: ["not-found", "unavailable"],
});

export const unsubscribe = operation({
  id: "unsubscribe",
  method: "POST",
  path: "/unsubscribe/:token",
  access: "anyone",
  tag: "webhooks",
  signed: true,
  summary: "Unsubscribe with one click (RFC 8058).",
  answers: { 200: { mediaType: "text/html" } },
  problems: ["not-found", "unavailable", "outcome-unknown"],
});
