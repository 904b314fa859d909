import * as v from "valibot";
import { address, headerText } from "./address.ts";
import { pageOf } from "../http/lists.ts";
import { type AttemptDetail, type EmailStatus, type OnUnknown } from "./lifecycle.ts";

/** RFC 5322, 2.1.1: a line has at most 998 characters. */
const MAX_SUBJECT_LENGTH = 998 - "Subject: ".length;

// oxlint-disable-next-line no-control-regex -- NUL is what it looks for
const body = v.pipe(v.string("must be text"), v.nonEmpty("must not be empty"), v.regex(/^[^\u0000]*$/, "must not contain NUL"));

/** What `POST /api/emails` accepts. One recipient; anything else in the body is refused by name. */
export const emailMessage = v.pipe(
  v.strictObject({
    to: address,
    subject: v.pipe(
      headerText(MAX_SUBJECT_LENGTH),
      v.check((text) => text.trim() !== "", "must not be blank"),
    ),
    html: v.optional(body),
    text: v.optional(body),
    replyTo: v.optional(address),
    onUnknown: v.optional(v.picklist(["hold", "resend"], 'must be "hold" or "resend"'), "hold"),
  }),
  v.forward(
    v.partialCheck([["html"], ["text"]], (mail) => mail.html !== undefined || mail.text !== undefined, "is required unless there is html"),
    ["text"],
  ),
);

export type EmailMessage = v.InferOutput<typeof emailMessage>;

/** What `GET /api/emails` takes. The statuses are those that need a person: few mails have them, and an index finds those. */
export const emailQuery = v.strictObject({
  ...pageOf.entries,
  status: v.optional(v.picklist(["unknown", "dead"], 'must be "unknown" or "dead"')),
});

/** What an operator makes of an `unknown` mail. */
export const resolution = v.strictObject({ status: v.picklist(["sent", "queued", "dead"], 'must be "sent", "queued" or "dead"') });

/** A printable ASCII key, as in the IETF draft for the Idempotency-Key header. */
export const idempotencyKey = v.pipe(
  v.string(),
  v.regex(/^[\u0021-\u007e]{1,255}$/, "must be 1 to 255 printable ASCII characters without spaces"),
);

/** A mail as the HTTP API shows it. Times are ISO 8601. */
export type EmailView = {
  id: string;
  status: EmailStatus;
  to: string;
  subject: string;
  generation: number;
  attempts: number;
  onUnknown: OnUnknown;
  createdAt: string;
  updatedAt: string;
  /** When it is tried next; only while `queued`. */
  dueAt?: string;
  sentAt?: string;
  lastError?: AttemptDetail;
};

export type EmailEvent = { type: string; at: string; generation: number; detail?: unknown };
