import { convert } from "html-to-text";
import MailComposer from "nodemailer/lib/mail-composer";
import type { OutgoingMail } from "./transport.ts";

/**
 * Nested or unclosed tags cost html-to-text time that grows with the square of the input, and in
 * the end the stack: within these limits the worst input takes about 100 ms.
 */
const MAX_HTML_FOR_TEXT = 100_000;
const MAX_DEPTH = 64;

/**
 * The mail as RFC 5322 bytes. HTML without text gets its text from the HTML, so that readers
 * without HTML see it too.
 */
export async function compose(mail: OutgoingMail): Promise<Uint8Array> {
  const text = mail.text ?? textOf(mail.html ?? "");
  const composer = new MailComposer({
    messageId: mail.messageId,
    date: mail.date,
    from: mail.from,
    to: { name: "", address: mail.to },
    ...(mail.replyTo === null ? {} : { replyTo: { name: "", address: mail.replyTo } }),
    subject: mail.subject,
    text,
    ...(mail.html === null ? {} : { html: mail.html }),
    attachments: mail.attachments.map(({ filename, contentType, content }) => ({
      filename,
      contentType,
      content,
      encoding: "base64",
    })),
    headers: {
      ...headersOf(mail),
    },
    // The bodies come from outside: never let one name a file or a URL to read.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return await composer.compile().build();
}

/** The headers that a mail has whatever transport it takes. */
export function headersOf({
  id,
  generation,
  unsubscribeUrl,
}: OutgoingMail): Record<string, string> {
  return {
    ...(unsubscribeUrl !== null && {
      // RFC 8058: a reader of mails unsubscribes with one POST, without asking the person again.
      "List-Unsubscribe": `<${unsubscribeUrl}>`,
      "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }),
    "X-Luna-Email": `${id}:${generation}`,
    "Auto-Submitted": "auto-generated",
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
    // Not worth a mail: it goes out as HTML alone.
    return "";
  }
}
