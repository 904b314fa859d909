import * as v from "valibot";
import type { Failure } from "../http/failure.ts";
import { pageOf, shortList } from "../http/lists.ts";
import { timestamp } from "../http/time.ts";
import { fail, ok, type Result } from "../lib/base/result.ts";
import { named } from "../lib/worker/named.ts";
import { oneLine } from "../lib/worker/one-line.ts";
import { validatedApart, type FieldError } from "../lib/worker/validate.ts";
import type { Brand } from "./brand.ts";
import { address, type Mailbox } from "./rules/address.ts";
import { isBase64 } from "./rules/base64.ts";
import { customHeaders } from "./rules/custom-headers.ts";
import { DEFAULT_CONTENT_TYPE, fileContentType, fileName } from "./rules/file.ts";
import { canonicalJson } from "./rules/idempotency.ts";
import { emailStatuses } from "./rules/lifecycle.ts";
import {
  mailboxes,
  mailboxesOf,
  mailboxText,
  recipientsOf,
  type Recipient,
} from "./rules/mailboxes.ts";
import { renderNamed, templateName } from "./templates/templates.ts";

/** RFC 5322, 2.1.1: a line has at most 998 characters. */
const MAX_SUBJECT_LENGTH = 998 - "Subject: ".length;

const text = v.pipe(
  v.string("must be text"),
  // oxlint-disable-next-line no-control-regex -- NUL is what it looks for
  v.regex(/^[^\u0000]*$/, "must not contain NUL"),
);
const body = v.pipe(text, v.nonEmpty("must not be empty"));

/** `base64` prints lines of 76 characters. */
function withoutLineBreaks(content: string): string {
  return /\s/.test(content) ? content.replaceAll(/[\t\n\r ]+/g, "") : content;
}

/** The pattern of valibot needs a stack that grows with the text. */
const checked = v.check(isBase64, "must be base64");
const base64 = Object.assign(v.base64<string, string>("must be base64"), {
  "~run": checked["~run"].bind(checked),
});

// RFC 2392: `<img src="cid:logo">` shows the file with the content id `logo`.
const contentId = v.optional(
  v.pipe(
    v.string("must be text"),
    v.regex(/^[\w.+@-]{1,100}$/, "must be 1 to 100 letters, digits or _ . + @ -"),
  ),
);

/** A file in the email. Its base64 counts towards the limit of the body. */
export const inlineAttachment = named("Attachment", {
  filename: fileName,
  contentType: v.optional(fileContentType, DEFAULT_CONTENT_TYPE),
  content: v.pipe(v.string("must be text"), v.transform(withoutLineBreaks), base64),
  contentId,
});

/** A file that was uploaded, with its own name and type unless the email has others. */
export const namedAttachment = named("NamedAttachment", {
  id: v.pipe(v.string("must be text"), v.uuid("must be the id of an uploaded attachment")),
  filename: v.optional(fileName),
  contentType: v.optional(fileContentType),
  contentId,
});

/** `content` in base64. */
export type Attachment = v.InferOutput<typeof inlineAttachment>;
export type NamedAttachment = v.InferOutput<typeof namedAttachment>;

export const isNamed = (one: Attachment | NamedAttachment): one is NamedAttachment => "id" in one;

export const MAX_ATTACHMENTS = 20;

const attachment = v.lazy((input) =>
  typeof input === "object" && input !== null && "id" in input ? namedAttachment : inlineAttachment,
);

const categories = ["transactional", "notification", "marketing"] as const;
export type EmailCategory = (typeof categories)[number];

const tag = v.pipe(
  v.string("must be text"),
  v.regex(/^[\w:.-]{1,64}$/, "must be 1 to 64 letters, digits or _ : . -"),
);

/**
 * What `POST /api/emails` accepts: a subject and a body, or a template and its data. Anything else
 * in the body is refused by name.
 */
export const emailRequest = v.pipe(
  v.strictObject({
    from: v.optional(mailboxText),
    to: mailboxes,
    cc: v.optional(mailboxes),
    bcc: v.optional(mailboxes),
    subject: v.optional(oneLine(MAX_SUBJECT_LENGTH)),
    html: v.optional(body),
    // Empty: the email has no text part.
    text: v.optional(text),
    template: v.optional(templateName),
    data: v.optional(v.unknown()),
    replyTo: v.optional(mailboxes),
    onUnknown: v.optional(v.picklist(["hold", "resend"], 'must be "hold" or "resend"'), "hold"),
    // No default for what came later: a message hashes to the same under every release, for its
    // Idempotency-Key.
    sendAt: v.optional(timestamp),
    category: v.optional(v.picklist(categories, `must be one of ${categories.join(", ")}`)),
    tags: v.optional(shortList(tag, 10)),
    attachments: v.optional(shortList(attachment, MAX_ATTACHMENTS)),
    headers: v.optional(customHeaders),
  }),
  v.forward(
    v.check((email) => email.template !== undefined || email.subject !== undefined, "is required"),
    ["subject"],
  ),
  v.forward(
    v.check(
      (email) => email.template !== undefined || email.html !== undefined || Boolean(email.text),
      "is required unless there is html or a template",
    ),
    ["text"],
  ),
  v.forward(
    v.check(
      (email) =>
        email.template === undefined ||
        (email.subject === undefined && email.html === undefined && email.text === undefined),
      "brings subject, html and text: leave them out",
    ),
    ["template"],
  ),
  v.forward(
    v.check(
      (email) => email.data === undefined || email.template !== undefined,
      "is for a template",
    ),
    ["data"],
  ),
  v.title("EmailRequest"),
);

export type EmailRequest = v.InferOutput<typeof emailRequest>;

/**
 * What a request means, as text: the same in each order of its fields, and with or without what it
 * would have by default. A field that comes later must leave out its default, too, so that the text
 * of a request stays what it was.
 */
export function canonicalRequest({
  onUnknown,
  category = "transactional",
  tags = [],
  attachments = [],
  data,
  ...request
}: EmailRequest): string {
  return canonicalJson({
    ...request,
    ...(canonicalJson(data ?? {}) !== "{}" && { data }),
    ...(onUnknown !== "hold" && { onUnknown }),
    ...(category !== "transactional" && { category }),
    ...(tags.length > 0 && { tags }),
    ...(attachments.length > 0 && { attachments }),
  });
}

/** An email as it is accepted: with its own bytes, independent of later changes of a template. */
export type EmailMessage = Omit<
  EmailRequest,
  "subject" | "template" | "data" | "replyTo" | "from" | "to" | "cc" | "bcc"
> & {
  subject: string;
  /** The address of the first recipient. */
  to: string;
  /** All of them, the first one first; without it there is only that one, without a name. */
  recipients?: Recipient[];
  replyTo?: Mailbox[];
};

/** @param now milliseconds since the epoch: a schema has no clock */
export function messageOf(
  { template, data, from: _from, to, cc, bcc, replyTo, ...rest }: EmailRequest,
  brand: Brand,
  now: number,
): Result<EmailMessage, Extract<Failure, { tag: "invalid" }>> {
  const recipients = recipientsOf({ to, cc, bcc });
  const request = {
    ...rest,
    to: recipients[0]?.address ?? "",
    recipients,
    ...(replyTo !== undefined && { replyTo: mailboxesOf(replyTo) }),
  };
  const late = checkSendAt(request, now);
  if (late.length > 0) return fail({ tag: "invalid", errors: late });
  if (template === undefined) return ok({ ...request, subject: request.subject ?? "" });
  const rendered = renderNamed(template, data, brand);
  return rendered.ok ? ok({ ...request, ...rendered.value }) : rendered;
}

/** How far ahead an email can be scheduled. */
const MAX_AHEAD_MS = 30 * 86_400_000;

/** A time in the past means now. */
export function checkSendAt({ sendAt }: Pick<EmailRequest, "sendAt">, now: number): FieldError[] {
  return sendAt !== undefined && sendAt > now + MAX_AHEAD_MS
    ? [{ path: "sendAt", message: "must be at most 30 days ahead" }]
    : [];
}

/**
 * What `POST /api/emails/batch` accepts. Each email is looked at by itself, so that a bad one
 * refuses no other.
 */
export const emailBatch = v.strictObject({ emails: validatedApart(emailRequest, 100) });

/** What `GET /api/emails` takes. */
export const emailQuery = v.strictObject({
  ...pageOf.entries,
  status: v.optional(
    v.picklist(
      emailStatuses,
      `must be one of ${emailStatuses.map((one) => `"${one}"`).join(", ")}`,
    ),
  ),
  tenant: v.optional(v.pipe(v.string("must be text"), v.maxLength(100, "is too long"))),
  to: v.optional(address),
  tag: v.optional(tag),
  from: v.optional(address),
  subject: v.optional(
    v.pipe(text, v.nonEmpty("must not be empty"), v.maxLength(MAX_SUBJECT_LENGTH, "is too long")),
  ),
  createdFrom: v.optional(timestamp),
  createdBefore: v.optional(timestamp),
});

/** What an operator makes of an `unknown` email. */
export const resolution = v.strictObject({
  status: v.picklist(["sent", "queued", "dead"], 'must be "sent", "queued" or "dead"'),
});

/** A printable ASCII key, as in the IETF draft for the Idempotency-Key header. */
export const idempotencyKey = v.pipe(
  v.string(),
  v.regex(/^[\u0021-\u007e]{1,255}$/, "must be 1 to 255 printable ASCII characters without spaces"),
);

/**
 * Of W3C Trace Context, as a producer hands it on. One that is malformed is ignored: see
 * `shared/lib/worker/trace.ts`.
 */
export const traceparent = v.pipe(v.string(), v.maxLength(512, "must have at most 512 characters"));

export type EmailEvent = { type: string; at: string; generation: number; detail?: unknown };
