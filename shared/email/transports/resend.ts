import { describeError } from "../../lib/worker/log.ts";
import { quotedMailbox } from "../rules/address.ts";
import { feedbackTag, handOverKey } from "../rules/tag.ts";
import { headersOf } from "./headers.ts";
import { jsonOf } from "./json-answer.ts";
import { jsonBody, fileMark } from "./json-body.ts";
import { resendCannot, noAnswer, resendOutcome } from "./rules/resend-outcome.ts";
import type { ResendSettings } from "./rules/resend.ts";
import {
  assertAllHandled,
  deadlineOf,
  HAND_OVER_MS,
  isFile,
  type OutgoingEmail,
  type OutgoingFile,
  type Transport,
} from "./transport.ts";
import { byFieldWithTo, type ByField } from "./visible.ts";

/**
 * Hands emails to Resend (https://resend.com/docs/api-reference/emails/send-email) under the key
 * `id:generation`.
 */
export function resendTransport({ apiKey, baseUrl }: ResendSettings): Transport {
  return {
    deadlineMs: HAND_OVER_MS,
    async send(email) {
      const fields = byFieldWithTo(email.recipients);
      if (fields === null) return resendCannot("no recipient is left that others may see");
      // One signal for the answer and its body: a provider may stop in the middle.
      const signal = AbortSignal.timeout(deadlineOf(email));
      try {
        const response = await fetch(`${baseUrl}/emails`, {
          method: "POST",
          headers: {
            Authorization: `Bearer ${apiKey}`,
            "Content-Type": "application/json",
            // Workers send none of their own, and Resend refuses requests without one
            // (https://resend.com/docs/api-reference/introduction).
            "User-Agent": "luna-backend",
            "Idempotency-Key": handOverKey(email),
          },
          body: bodyOf(email, fields),
          // A redirect would send the key and the email to another host.
          redirect: "manual",
          signal,
        });
        return resendOutcome(
          response.status,
          await jsonOf(response),
          response.headers.get("Retry-After"),
          Date.now(),
        );
      } catch (error) {
        return noAnswer(describeError(error).message);
      }
    },
  };
}

const filesOf = ({ attachments }: OutgoingEmail): OutgoingFile[] => attachments.filter(isFile);

function bodyOf(email: OutgoingEmail, fields: ByField): string | Uint8Array<ArrayBuffer> {
  const payload = payloadOf(email, fields);
  const files = filesOf(email);
  return files.length === 0
    ? JSON.stringify(payload)
    : jsonBody(
        payload,
        files.map(({ bytes }) => bytes),
      );
}

/**
 * The same for every attempt of a generation, because the row's content never changes: Resend
 * refuses a repeat whose body differs. Only an unsubscribe link changes with `PUBLIC_URL` or its
 * secret, and the name of a header with `PRODUCT_NAME`: then an email that is pinned stays open
 * until its key is forgotten.
 */
function payloadOf(email: OutgoingEmail, { to, cc, bcc }: ByField): Record<string, unknown> {
  const {
    from,
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
    recipients: _recipients,
    // Resend sets both itself.
    messageId: _messageId,
    date: _date,
    ...rest
  } = email;
  assertAllHandled(rest);
  return {
    from: quotedMailbox(from),
    to: to.map(quotedMailbox),
    ...(cc.length > 0 && { cc: cc.map(quotedMailbox) }),
    ...(bcc.length > 0 && { bcc: bcc.map(quotedMailbox) }),
    subject,
    ...(html !== null && { html }),
    // Without it Resend makes a text of its own, and with an empty one none.
    ...(text !== null && { text }),
    // One plain address as releases before lists sent it: a repeat has the same bytes.
    ...(replyTo.length === 1 && { reply_to: replyTo.map(quotedMailbox)[0] }),
    ...(replyTo.length > 1 && { reply_to: replyTo.map(quotedMailbox) }),
    headers: headersOf({ id, generation, part, unsubscribeUrl, idHeader, headers }),
    tags: [feedbackTag({ id, generation, part })],
    ...(attachments.length > 0 && {
      attachments: attachments.map((one) => ({
        filename: one.filename,
        content: isFile(one) ? fileMark(filesOf(email).indexOf(one)) : one.content,
        content_type: one.contentType,
        ...(one.contentId !== undefined && { content_id: one.contentId }),
      })),
    }),
  };
}
