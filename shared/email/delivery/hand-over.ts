import { describeError, log } from "../../lib/worker/log.ts";
import { parseMailbox } from "../rules/address.ts";
import type { AttemptDetail, Outcome } from "../rules/outcome.ts";
import { fromJson } from "../sql/columns.ts";
import type { EmailInHandOver } from "../sql/delivery.ts";
import type { GuardedTransport, OutgoingEmail } from "../transports/transport.ts";
import { offersUnsubscribe, unsubscribeUrl, type UnsubscribeSettings } from "../unsubscribe.ts";

/**
 * Hands one email over. Never throws.
 *
 * @param unsubscribe null while the links are not configured: then no email comes here that needs
 *   one
 */
export async function handOver(
  transport: GuardedTransport,
  email: EmailInHandOver,
  unsubscribe: UnsubscribeSettings | null,
  now: number,
): Promise<Outcome> {
  const outcome = await send(transport, email, unsubscribe, now);
  log(outcome.kind === "accepted" ? "info" : "warn", "email.attempt", {
    emailId: email.id,
    ...(email.traceId !== null && { traceId: email.traceId }),
    generation: email.generation,
    attempt: email.attempts,
    transport: transport.name,
    phase: outcome.detail.phase,
    code: outcome.detail.code,
    outcome: outcome.kind,
  });
  return outcome;
}

async function send(
  transport: GuardedTransport,
  email: EmailInHandOver,
  unsubscribe: UnsubscribeSettings | null,
  now: number,
): Promise<Outcome> {
  if (email.leaseExpiresAt - now < transport.deadlineMs)
    return { kind: "deferred", detail: leaseTooShort };
  let message: OutgoingEmail;
  try {
    const url =
      unsubscribe !== null && offersUnsubscribe(email.category)
        ? await unsubscribeUrl(unsubscribe, email.id)
        : null;
    message = outgoing(email, url);
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

function outgoing(email: EmailInHandOver, link: string | null): OutgoingEmail {
  const from = parseMailbox(email.from);
  const domain = from.address.slice(from.address.indexOf("@") + 1);
  return {
    messageId: `<${email.id}@${domain}>`,
    id: email.id,
    generation: email.generation,
    date: new Date(email.generationAt),
    from,
    to: email.to,
    replyTo: email.replyTo,
    subject: email.subject,
    html: email.html,
    text: email.text,
    attachments: email.attachments === null ? [] : fromJson(email.attachments),
    unsubscribeUrl: link,
  };
}
