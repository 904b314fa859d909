import { within } from "../../lib/base/deadline.ts";
import { headersOf } from "./headers.ts";
import { cloudflareError } from "./rules/cloudflare-outcome.ts";
import { assertAllHandled, HAND_OVER_MS, type OutgoingEmail, type Transport } from "./transport.ts";

/**
 * Hands emails to Cloudflare's Email Service through a `send_email` binding. It sets Message-ID and
 * Date itself.
 */
export function cloudflareTransport(binding: SendEmail): Transport {
  return {
    deadlineMs: HAND_OVER_MS,
    async send(email) {
      try {
        const { messageId } = await within(HAND_OVER_MS, binding.send(messageOf(email)));
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

function messageOf(email: OutgoingEmail): EmailMessageBuilder {
  const {
    from,
    to,
    replyTo,
    subject,
    html,
    text,
    attachments,
    id,
    generation,
    unsubscribeUrl,
    idHeader,
    // The service sets both itself.
    messageId: _messageId,
    date: _date,
    ...rest
  } = email;
  assertAllHandled(rest);
  return {
    from: from.name === "" ? from.address : { name: from.name, email: from.address },
    to,
    subject,
    ...(html !== null && { html }),
    ...(text !== null && { text }),
    ...(replyTo !== null && { replyTo }),
    headers: headersOf({ id, generation, unsubscribeUrl, idHeader }),
    attachments: attachments.map(({ filename, contentType, content }) => ({
      disposition: "attachment",
      filename,
      type: contentType,
      // Documented as base64 where it is text.
      content,
    })),
  };
}
