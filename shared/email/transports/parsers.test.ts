import fc from "fast-check";
import { simpleParser } from "mailparser";
import PostalMime from "postal-mime";
import * as v from "valibot";
import { describe, expect, inject, it } from "vitest";
import { composedBytes } from "../../../test/support/composed.ts";
import { outgoingEmail as email } from "../../../test/support/outgoing-email.ts";
import { runs } from "../../../test/support/seed.ts";
import { mailbox } from "../rules/address.ts";
import { emailRequest } from "../schemas.ts";
import type { OutgoingEmail } from "./transport.ts";

/** What two parsers that know nothing of each other read in an email. */
async function readings(sent: OutgoingEmail): Promise<[Reading, Reading]> {
  const bytes = await composedBytes(sent);
  const source = Buffer.from(bytes);
  const postal = await PostalMime.parse(source, { attachmentEncoding: "arraybuffer" });
  const nodemailer = await simpleParser(source, { skipHtmlToText: true, skipTextToHtml: true });
  return [
    {
      subject: postal.subject ?? "",
      from: [postal.from?.name ?? "", postal.from?.address ?? ""],
      text: line(postal.text),
      html: line(postal.html),
      files: postal.attachments.map(({ filename, mimeType, content }) => [
        filename ?? "",
        mimeType,
        Buffer.from(content as ArrayBuffer).toString("base64"),
      ]),
    },
    {
      subject: nodemailer.subject ?? "",
      from: [nodemailer.from?.value[0]?.name ?? "", nodemailer.from?.value[0]?.address ?? ""],
      text: line(nodemailer.text),
      html: line(nodemailer.html === false ? "" : nodemailer.html),
      files: nodemailer.attachments.map(({ filename, content, headers }) => [
        filename ?? "",
        headers.get("content-type")?.value ?? "",
        content.toString("base64"),
      ]),
    },
  ];
}

type Reading = {
  subject: string;
  from: string[];
  text: string;
  html: string;
  files: string[][];
};

/** Parsers differ in the line break at the end of a part. */
const line = (text = ""): string => text.replaceAll("\r\n", "\n").replace(/\n+$/, "");

const words = (...given: string[]) =>
  fc
    .array(fc.oneof(fc.constantFrom(...given), fc.string({ unit: "grapheme", maxLength: 12 })), {
      minLength: 1,
      maxLength: 8,
    })
    .map((parts) => parts.join("").trim());

const subjects = words("=?UTF-8?B?SGk=?=", "=?", "?=", "ü", "Ünï cödé ", "a".repeat(90), ", ", '"');
const names = words("Acme, Inc.", "(EU)", "@", ";", "Zoë", "\\", "'", ".", " ", ":", "[x]", "中文");
const filenames = words(".pdf", ";", ",", "'", "%20", "=", "Rechnung März", "中文", "a".repeat(70));
const types = fc.constantFrom(
  "application/x-scan; pages=3",
  'text/csv; charset="iso-8859-1"; header=present',
  "application/pdf",
  "application/octet-stream",
  "text/plain",
  "message/rfc822",
  "multipart/mixed",
);
const bodies = words(
  "\n",
  ".\n",
  "..\r\n",
  "From me\n",
  "=20",
  "x".repeat(1_200),
  "ä",
  "\t",
  " \n",
);
const files = fc.array(
  fc.record({
    filename: filenames,
    contentType: types,
    content: fc
      .uint8Array({ maxLength: 300 })
      .map((bytes) => Buffer.from(bytes).toString("base64")),
  }),
  { maxLength: 3 },
);

describe("two independent parsers", () => {
  it("read in any email that the schema takes what its sender wrote", async () => {
    await fc.assert(
      fc.asyncProperty(subjects, names, bodies, files, async (subject, name, text, attachments) => {
        const request = {
          to: "ada@example.com",
          subject,
          text,
          html: `<p>${text}</p>`,
          attachments,
        };
        const parsed = v.safeParse(emailRequest, request);
        fc.pre(parsed.success && v.is(mailbox, `"${name}" <a@b.cc>`));
        const from = { name, address: "a@b.cc" };
        const sent = { ...email, from, subject, text, html: request.html, attachments };
        const expected = {
          subject: folded(subject),
          from: [name, from.address],
          files: attachments.map(({ filename, contentType, content }) => [
            filename,
            /^(message|multipart)/.test(contentType)
              ? "application/octet-stream"
              : contentType.replace(/;.*/, ""),
            content,
          ]),
        };
        for (const reading of await readings(sent)) {
          expect({ ...reading, subject: folded(reading.subject) }).toMatchObject(expected);
          expect(reading.text).toBe(line(text));
          expect(reading.html).toBe(line(request.html));
        }
      }),
      { numRuns: runs, seed: inject("seed") },
    );
  });

  it("find no text part in an email whose text is empty", async () => {
    for (const { text, html } of await readings({ ...email, text: "", html: "<p>Hi</p>" }))
      expect({ text, html }).toEqual({ text: "", html: "<p>Hi</p>" });
  });

  it("find the method of an invitation, and a file without content", async () => {
    const attachments = [
      { filename: "a.ics", contentType: "text/calendar; method=REQUEST", content: "SGk=" },
      { filename: "empty.txt", contentType: "text/plain", content: "" },
    ];
    const bytes = await composedBytes({ ...email, attachments });
    const [invitation, empty] = (await simpleParser(Buffer.from(bytes))).attachments;
    expect(invitation?.headers.get("content-type")?.params["method"]).toBe("REQUEST");
    expect(empty?.content.byteLength).toBe(0);
    const postal = await PostalMime.parse(bytes);
    expect(postal.attachments.map(({ method }) => method)).toEqual(["REQUEST", undefined]);
  });
});

/** A header is folded at its spaces, so their number may change. */
const folded = (subject: string): string => subject.replaceAll(/\s+/g, " ").trim();
