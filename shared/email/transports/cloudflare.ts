import { within } from "../../lib/base/deadline.ts";
import { headersOf } from "./compose.ts";
import { cloudflareError } from "./rules/cloudflare-outcome.ts";
import { HAND_OVER_MS, type OutgoingMail, type Transport } from "./transport.ts";

/**
 * Hands mails to Cloudflare's Email Service through a `send_email` binding. It sets Message-ID and
 * Date itself.
 */
export function cloudflareTransport(binding: SendEmail): Transport {
  return {
    deadlineMs: HAND_OVER_MS,
    async send(mail) {
      try {
        const { messageId } = await within(HAND_OVER_MS, binding.send(messageOf(mail)));
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

function messageOf(mail: OutgoingMail): EmailMessageBuilder {
  return {
    from:
      mail.from.name === ""
        ? mail.from.address
        : { name: mail.from.name, email: mail.from.address },
    to: mail.to,
    subject: mail.subject,
    ...(mail.html !== null && { html: mail.html }),
    ...(mail.text !== null && { text: mail.text }),
    ...(mail.replyTo !== null && { replyTo: mail.replyTo }),
    headers: headersOf(mail),
    attachments: mail.attachments.map(({ filename, contentType, content }) => ({
      disposition: "attachment",
      filename,
      type: contentType,
      // Documented as base64 where it is text.
      content,
    })),
  };
}
