import { convert } from "html-to-text";
import MailComposer from "nodemailer/lib/mail-composer";
import type { OutgoingMail } from "./transport.ts";

/** The mail as RFC 5322 bytes. HTML without text gets its text from the HTML, so that every HTML mail is multipart. */
export async function compose(mail: OutgoingMail): Promise<Uint8Array> {
  const text = mail.text ?? (mail.html === null ? "" : convert(mail.html, { wordwrap: 78 }));
  const composer = new MailComposer({
    messageId: mail.messageId,
    date: mail.date,
    from: mail.from,
    to: { name: "", address: mail.to },
    ...(mail.replyTo === null ? {} : { replyTo: { name: "", address: mail.replyTo } }),
    subject: mail.subject,
    text,
    ...(mail.html === null ? {} : { html: mail.html }),
    headers: { "X-Luna-Email": `${mail.id}:${mail.generation}`, "Auto-Submitted": "auto-generated" },
    // The bodies come from outside: never let one name a file or a URL to read.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return await composer.compile().build();
}
