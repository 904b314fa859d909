import { describeError, log } from "../../lib/worker/log.ts";
import { parseMailbox } from "../rules/address.ts";
import type { AttemptDetail, Outcome } from "../rules/outcome.ts";
import { fromJson } from "../sql/columns.ts";
import type { EmailInHandOver } from "../sql/delivery.ts";
import type { GuardedTransport, OutgoingEmail } from "../transports/transport.ts";
import { offersUnsubscribe, unsubscribeUrl, type UnsubscribeSettings } from "../unsubscribe.ts";

/**
 * Hands one mail over. Never throws.
 *
 * @param unsubscribe null while the links are not configured: then no mail comes here that needs
 *   one
 */
export async function handOver(
  transport: GuardedTransport,
  mail: EmailInHandOver,
  unsubscribe: UnsubscribeSettings | null,
  now: number,
): Promise<Outcome> {
  const outcome = await send(transport, mail, unsubscribe, now);
  log(outcome.kind === "accepted" ? "info" : "warn", "email.attempt", {
    emailId: mail.id,
    ...(mail.traceId !== null && { traceId: mail.traceId }),
    generation: mail.generation,
    attempt: mail.attempts,
    transport: transport.name,
    phase: outcome.detail.phase,
    code: outcome.detail.code,
    outcome: outcome.kind,
  });
  return outcome;
}

async function send(
  transport: GuardedTransport,
  mail: EmailInHandOver,
  unsubscribe: UnsubscribeSettings | null,
  now: number,
): Promise<Outcome> {
  if (mail.leaseExpiresAt - now < transport.deadlineMs)
    return { kind: "deferred", detail: leaseTooShort };
  let message: OutgoingEmail;
  try {
    const url =
      unsubscribe !== null && offersUnsubscribe(mail.category)
        ? await unsubscribeUrl(unsubscribe, mail.id)
        : null;
    message = outgoing(mail, url);
  } catch (error) {
    return {
      kind: "refused_transient",
      detail: { transport: "none", phase: "compose", text: describeError(error).message },
    };
  }
  return await transport.send(message).catch(broken);
}

/**
 * A transport that throws breaks its promise; its neighbours' outcomes are recorded all the same.
 */
function broken(error: unknown): Outcome {
  return {
    kind: "unknown",
    detail: { transport: "none", phase: "transport", text: describeError(error).message },
  };
}

const leaseTooShort: AttemptDetail = {
  transport: "none",
  phase: "lease",
  text: "too little of the lease was left to begin",
};

function outgoing(mail: EmailInHandOver, link: string | null): OutgoingEmail {
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
    attachments: mail.attachments === null ? [] : fromJson(mail.attachments),
    unsubscribeUrl: link,
  };
}
