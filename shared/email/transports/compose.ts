import { Readable } from "node:stream";
import MailComposer from "nodemailer/lib/mail-composer";
import { encodeWord } from "nodemailer/lib/mime-funcs";
import { looksEncoded } from "../rules/encoded-word.ts";
import { headersOf } from "./headers.ts";
import { textOf } from "./text-of.ts";
import { assertAllHandled, isFile, type OutgoingEmail, type OutgoingFile } from "./transport.ts";
import { headerOf, targetsOf } from "./visible.ts";

/** RFC 2045, 6.4 forbids base64 for these types, and other encodings would change their bytes. */
const COMPOSITE = /^(message|multipart)\//i;

/** RFC 2047, 2 allows 75 characters. The first one stands behind the name of its header. */
const MAX_ENCODED_WORD = 52;

export type ComposedEmail = {
  /** Sender and recipients for MAIL and RCPT (RFC 5321), independent of the headers. */
  envelope: { from: string; to: string[] };
  /** Of the message (RFC 5322), in bytes. */
  size: number;
  /** The message. It can be read once: the next connection needs another. */
  open: () => Readable;
};

/** RFC 2045, 6.8: lines of 76 characters. */
const [BYTES_OF_LINE, LENGTH_OF_LINE] = [57, 78];

/** Of bytes as base64 in lines, of which the last has no line break. */
const encodedSize = (bytes: number): number =>
  bytes === 0
    ? 0
    : 4 * Math.ceil(bytes / 3) +
      (LENGTH_OF_LINE - (BYTES_OF_LINE * 4) / 3) * (Math.ceil(bytes / BYTES_OF_LINE) - 1);

/** So much of a file is encoded at a time: whole lines. */
const PART_BYTES = 1_024 * BYTES_OF_LINE;

/** A file as a stream, so that its base64 is never there as a whole. */
const streamOf = ({ bytes }: OutgoingFile): Readable =>
  Readable.from(
    (function* parts() {
      for (let from = 0; from < bytes.byteLength; from += PART_BYTES)
        yield bytes.subarray(from, from + PART_BYTES);
    })(),
  );

/**
 * The email for a server that takes bytes. HTML without text gets its text from the HTML, so that
 * readers without HTML see it too.
 */
export async function compose(email: OutgoingEmail): Promise<ComposedEmail> {
  const { from, recipients } = email;
  const files = email.attachments.filter(isFile);
  const envelope = {
    from: from.address,
    to: targetsOf(recipients).map(({ address }) => address),
  };
  if (files.length === 0) {
    const bytes = await composerOf(email, () => "")
      .compile()
      .build();
    return { envelope, size: bytes.byteLength, open: () => Readable.from([bytes]) };
  }
  const rest = await composerOf(email, () => "")
    .compile()
    .build();
  return {
    envelope,
    size: files.reduce((sum, { bytes }) => sum + encodedSize(bytes.byteLength), rest.byteLength),
    open: () => composerOf(email, streamOf).compile().createReadStream(),
  };
}

/** @param contentOf what stands for an uploaded file */
function composerOf(
  email: OutgoingEmail,
  contentOf: (file: OutgoingFile) => string | Readable,
): MailComposer {
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
  return new MailComposer({
    messageId,
    date,
    from,
    ...(to.length > 0 && { to }),
    ...(cc.length > 0 && { cc }),
    ...(replyTo.length > 0 && { replyTo }),
    subject: looksEncoded(subject) ? encodeWord(subject, "Q", MAX_ENCODED_WORD) : subject,
    text: text ?? textOf(html ?? ""),
    ...(html === null ? {} : { html }),
    attachments: attachments.map((one) => ({
      filename: one.filename,
      contentType: COMPOSITE.test(one.contentType) ? "application/octet-stream" : one.contentType,
      ...(isFile(one)
        ? { content: contentOf(one), contentTransferEncoding: "base64" as const }
        : { content: one.content, encoding: "base64" }),
      ...(one.contentId !== undefined && {
        cid: one.contentId,
        contentDisposition: "inline" as const,
      }),
    })),
    headers: headersOf({ id, generation, part, unsubscribeUrl, idHeader, headers }),
    // The bodies come from outside: never let one name a file or a URL to read.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}
