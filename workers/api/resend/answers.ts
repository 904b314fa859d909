import type { EmailAnswer } from "../../../shared/contract/emails.ts";
import { parseMailbox } from "../../../shared/email/rules/address.ts";

/**
 * Answers of Luna's API as answers of Resend's. Pure.
 * https://resend.com/docs/api-reference/emails/retrieve-email
 */

type LastEvent =
  | "bounced"
  | "canceled"
  | "complained"
  | "delivered"
  | "delivery_delayed"
  | "failed"
  | "queued"
  | "scheduled"
  | "sent"
  | "suppressed";

type ListedEmail = {
  id: string;
  message_id: string;
  from: string;
  to: string[];
  cc: string[] | null;
  bcc: string[] | null;
  reply_to: string[] | null;
  subject: string;
  created_at: string;
  scheduled_at: string | null;
  last_event: LastEvent;
};
export type ResendEmail = ListedEmail & {
  object: "email";
  html: string | null;
  text: string | null;
  tags: { name: string; value: string }[];
};

export function listedEmail(email: EmailAnswer): ListedEmail {
  const named = (kind: "to" | "cc" | "bcc"): string[] =>
    email.recipients
      .filter((recipient) => recipient.kind === kind)
      .map(({ name, address }) => (name === undefined ? address : `${name} <${address}>`));
  return {
    id: email.id,
    message_id: messageIdOf(email),
    from: email.from,
    to: named("to"),
    cc: orNull(named("cc")),
    bcc: orNull(named("bcc")),
    reply_to: orNull(email.replyTo ?? []),
    subject: email.subject,
    created_at: email.createdAt,
    scheduled_at: email.status === "scheduled" ? (email.dueAt ?? null) : null,
    last_event: lastEventOf(email),
  };
}

const orNull = (list: string[]): string[] | null => (list.length === 0 ? null : list);

export function resendEmail(
  email: EmailAnswer & { content?: { html?: string; text?: string } },
): ResendEmail {
  return {
    object: "email",
    ...listedEmail(email),
    html: email.content?.html ?? null,
    text: email.content?.text ?? null,
    tags: (email.tags ?? []).map(tagOf),
  };
}

function messageIdOf({ id, from }: EmailAnswer): string {
  const { address } = parseMailbox(from);
  return `<${id}@${address.slice(address.indexOf("@") + 1)}>`;
}

function tagOf(tag: string): { name: string; value: string } {
  const colon = tag.indexOf(":");
  return colon < 0
    ? { name: tag, value: "" }
    : { name: tag.slice(0, colon), value: tag.slice(colon + 1) };
}

/** Resend has no event for an outcome that is not known: it is late. */
function lastEventOf({ status, waiting }: EmailAnswer): LastEvent {
  switch (status) {
    case "queued":
      return waiting === undefined ? "queued" : "delivery_delayed";
    case "claimed":
    case "sending":
      return "queued";
    case "pinned":
    case "unknown":
      return "delivery_delayed";
    case "dead":
    case "discarded":
      return "failed";
    case "cancelled":
      return "canceled";
    case "scheduled":
    case "sent":
    case "delivered":
    case "bounced":
    case "complained":
    case "suppressed":
      return status;
  }
}
