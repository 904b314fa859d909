import { convert } from "html-to-text";
import MailComposer from "nodemailer/lib/mail-composer";
import { headersOf } from "./headers.ts";
import { assertAllHandled, type OutgoingEmail } from "./transport.ts";

/**
 * Nested or unclosed tags cost html-to-text time that grows with the square of the input, and in
 * the end the stack: within these limits the worst input takes about 100 ms.
 */
const MAX_HTML_FOR_TEXT = 100_000;
const MAX_DEPTH = 64;

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
    to,
    replyTo,
    subject,
    html,
    text,
    attachments,
    id,
    generation,
    unsubscribeUrl,
    ...rest
  } = email;
  assertAllHandled(rest);
  const composer = new MailComposer({
    messageId,
    date,
    from,
    to: { name: "", address: to },
    ...(replyTo === null ? {} : { replyTo: { name: "", address: replyTo } }),
    subject,
    text: text ?? textOf(html ?? ""),
    ...(html === null ? {} : { html }),
    attachments: attachments.map(({ filename, contentType, content }) => ({
      filename,
      contentType,
      content,
      encoding: "base64",
    })),
    headers: headersOf({ id, generation, unsubscribeUrl }),
    // The bodies come from outside: never let one name a file or a URL to read.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    envelope: { from: from.address, to: [to] },
    bytes: await composer.compile().build(),
  };
}

/** For readers without HTML. Empty if the HTML cannot be read. */
function textOf(html: string): string {
  try {
    return convert(html.slice(0, MAX_HTML_FOR_TEXT), {
      wordwrap: 78,
      limits: { maxDepth: MAX_DEPTH },
    });
  } catch {
    // The email leaves with its HTML alone: that is better than not at all.
    return "";
  }
}
