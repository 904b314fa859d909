import MailComposer from "nodemailer/lib/mail-composer";
import { encodeWord } from "nodemailer/lib/mime-funcs";
import { looksEncoded } from "../rules/encoded-word.ts";
import { headersOf } from "./headers.ts";
import { textOf } from "./text-of.ts";
import { assertAllHandled, type OutgoingEmail } from "./transport.ts";
import { headerOf, targetsOf } from "./visible.ts";

/** RFC 2045, 6.4 forbids base64 for these types, and other encodings would change their bytes. */
const COMPOSITE = /^(message|multipart)\//i;

/** RFC 2047, 2 allows 75 characters. The first one stands behind the name of its header. */
const MAX_ENCODED_WORD = 52;

export type ComposedEmail = {
  /** Sender and recipients for MAIL and RCPT (RFC 5321), independent of the headers. */
  envelope: { from: string; to: string[] };
  /** RFC 5322. */
  bytes: Uint8Array;
};

/**
 * The email for a server that takes bytes. HTML without text gets its text from the HTML, so that
 * readers without HTML see it too.
 */
export async function compose(email: OutgoingEmail): Promise<ComposedEmail> {
  const {
    messageId,
    date,
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
    ...rest
  } = email;
  assertAllHandled(rest);
  const [to, cc] = [headerOf(recipients, "to"), headerOf(recipients, "cc")];
  const composer = new MailComposer({
    messageId,
    date,
    from,
    ...(to.length > 0 && { to }),
    ...(cc.length > 0 && { cc }),
    ...(replyTo.length > 0 && { replyTo }),
    subject: looksEncoded(subject) ? encodeWord(subject, "Q", MAX_ENCODED_WORD) : subject,
    text: text ?? textOf(html ?? ""),
    ...(html === null ? {} : { html }),
    attachments: attachments.map(({ filename, contentType, content, contentId }) => ({
      filename,
      contentType: COMPOSITE.test(contentType) ? "application/octet-stream" : contentType,
      content,
      encoding: "base64",
      ...(contentId !== undefined && { cid: contentId, contentDisposition: "inline" as const }),
    })),
    headers: headersOf({ id, generation, part, unsubscribeUrl, idHeader, headers }),
    // The bodies come from outside: never let one name a file or a URL to read.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    envelope: { from: from.address, to: targetsOf(recipients).map(({ address }) => address) },
    bytes: await composer.compile().build(),
  };
}
