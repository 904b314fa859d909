import { within } from "../../lib/base/deadline.ts";
import type { Mailbox } from "../rules/address.ts";
import { headersOf } from "./headers.ts";
import { cloudflareCannot, cloudflareError } from "./rules/cloudflare-outcome.ts";
import {
  assertAllHandled,
  deadlineOf,
  HAND_OVER_MS,
  isFile,
  type OutgoingEmail,
  type Transport,
} from "./transport.ts";
import { byField, type ByField } from "./visible.ts";

/**
 * Hands emails to Cloudflare's Email Service through a `send_email` binding. It sets Message-ID and
 * Date itself.
 */
export function cloudflareTransport(binding: SendEmail): Transport {
  return {
    deadlineMs: HAND_OVER_MS,
    async send(email) {
      if (email.replyTo.length > 1) return cloudflareCannot("it takes one address for replies");
      try {
        const { messageId } = await within(deadlineOf(email), binding.send(messageOf(email)));
        return {
          kind: "accepted",
          detail: {
            transport: "cloudflare",
            phase: "SEND",
            text: "accepted",
            providerId: messageId,
          },
        };
      } catch (error) {
        return cloudflareError(error);
      }
    },
  };
}

const mailboxOf = ({ name, address }: Mailbox): string | { name: string; email: string } =>
  name === "" ? address : { name, email: address };

/** At least one of them has an entry. */
function fieldsOf({ to, cc, bcc }: ByField): EmailDestinations {
  const [first] = to;
  return {
    ...(first !== undefined && { to: to.length === 1 ? mailboxOf(first) : to.map(mailboxOf) }),
    ...(cc.length > 0 && { cc: cc.map(mailboxOf) }),
    ...(bcc.length > 0 && { bcc: bcc.map(mailboxOf) }),
  } as EmailDestinations;
}

function messageOf(email: OutgoingEmail): EmailMessageBuilder {
  const {
    from,
    recipients,
    replyTo,
    subject,
    html,
    text,
    attachments,
    id,
    generation,
    part,
    unsubscribeUrl,
    idHeader,
    headers,
    // The service sets both itself.
    messageId: _messageId,
    date: _date,
    ...rest
  } = email;
  assertAllHandled(rest);
  return {
    from: mailboxOf(from),
    ...fieldsOf(byField(recipients)),
    subject,
    ...(html !== null && { html }),
    ...(text !== null && text !== "" && { text }),
    ...(replyTo[0] !== undefined && { replyTo: mailboxOf(replyTo[0]) }),
    headers: headersOf({ id, generation, part, unsubscribeUrl, idHeader, headers }),
    attachments: attachments.map((one) => ({
      ...(one.contentId === undefined
        ? { disposition: "attachment" as const }
        : { disposition: "inline" as const, contentId: one.contentId }),
      filename: one.filename,
      type: one.contentType,
      // Documented as base64 where it is text.
      content: isFile(one) ? one.bytes : one.content,
    })),
  };
}
