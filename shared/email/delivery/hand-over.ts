import { describeError, log } from "../../telemetry/log.ts";
import { parseMailbox } from "../address.ts";
import type { AttemptDetail, Outcome } from "../lifecycle.ts";
import type { Attachment, GuardedTransport, OutgoingMail } from "../transports/transport.ts";
import { offersUnsubscribe, unsubscribeUrl, type UnsubscribeSettings } from "../unsubscribe.ts";
import type { MailInHandOver } from "./store.ts";

/**
 * Hands one mail over. Never throws.
 *
 * @param unsubscribe null while the links are not configured: then what needs one waits
 */
export async function handOver(
  transport: GuardedTransport,
  mail: MailInHandOver,
  unsubscribe: UnsubscribeSettings | null,
  now: number,
): Promise<Outcome> {
  const outcome = await attempt(transport, mail, unsubscribe, now);
  log(outcome.kind === "accepted" ? "info" : "warn", "email.attempt", {
    emailId: mail.id,
    generation: mail.generation,
    attempt: mail.attempts,
    transport: transport.name,
    phase: outcome.detail.phase,
    code: outcome.detail.code,
    outcome: outcome.kind,
  });
  return outcome;
}

async function attempt(
  transport: GuardedTransport,
  mail: MailInHandOver,
  unsubscribe: UnsubscribeSettings | null,
  now: number,
): Promise<Outcome> {
  if (mail.leaseExpiresAt - now < transport.deadlineMs) return { kind: "deferred", detail: leaseTooShort };
  const needsLink = offersUnsubscribe(mail.category);
  if (needsLink && unsubscribe === null) return { kind: "deferred", detail: noLink, retryAfterMs: MINUTE_MS };
  const url = needsLink && unsubscribe !== null ? await unsubscribeUrl(unsubscribe, mail.id) : null;
  return await transport.send(outgoing(mail, url)).catch(broken);
}

/** A transport that throws breaks its promise; its neighbours' outcomes are recorded all the same. */
function broken(error: unknown): Outcome {
  return { kind: "unknown", detail: { transport: "none", phase: "transport", text: describeError(error).message } };
}

const MINUTE_MS = 60_000;

const leaseTooShort: AttemptDetail = { transport: "none", phase: "lease", text: "too little of the lease was left to begin" };

const noLink: AttemptDetail = {
  transport: "none",
  phase: "configuration",
  text: "PUBLIC_URL or UNSUBSCRIBE_SECRET is missing or bad, and the mail needs an unsubscribe link",
};

function outgoing(mail: MailInHandOver, link: string | null): OutgoingMail {
  const from = parseMailbox(mail.from);
  const domain = from.address.slice(from.address.indexOf("@") + 1);
  return {
    messageId: `<${mail.id}@${domain}>`,
    id: mail.id,
    generation: mail.generation,
    date: new Date(mail.generationAt),
    from,
    to: mail.to,
    replyTo: mail.replyTo,
    subject: mail.subject,
    html: mail.html,
    text: mail.text,
    attachments: mail.attachments === null ? [] : (JSON.parse(mail.attachments) as Attachment[]),
    unsubscribeUrl: link,
  };
}
