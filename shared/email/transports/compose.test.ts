import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import PostalMime from "postal-mime";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { composedBytes as bytesOf } from "../../../test/support/composed.ts";
import { outgoingEmail as email } from "../../../test/support/outgoing-email.ts";
import { emailRequest } from "../schemas.ts";
import { compose } from "./compose.ts";

/** Bytes that no encoding leaves as they are. */
const anyBytes = (length: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, n) => (n * 31 + (n >> 8)) % 256);

describe("a composed email", () => {
  it("has the same identity and date for every attempt", async () => {
    const [first, second] = await Promise.all(
      [bytesOf(email), bytesOf(email)].map(async (bytes) => PostalMime.parse(await bytes)),
    );
    expect(first).toMatchObject({
      messageId: "<m1@luna.example>",
      date: "2026-01-02T03:04:05.000Z",
    });
    expect(second).toMatchObject({
      messageId: "<m1@luna.example>",
      date: "2026-01-02T03:04:05.000Z",
    });
    expect(first?.headers.find(({ key }) => key === "x-luna-email")?.value).toBe("m1:2");
  });

  it("offers one-click unsubscribe only where it has a link", async () => {
    const parsed = await PostalMime.parse(
      await bytesOf({ ...email, unsubscribeUrl: "https://luna.example/unsubscribe/m1.x" }),
    );
    const headerOf = (name: string) => parsed.headers.find(({ key }) => key === name)?.value;
    expect(headerOf("list-unsubscribe")).toBe("<https://luna.example/unsubscribe/m1.x>");
    expect(headerOf("list-unsubscribe-post")).toBe("List-Unsubscribe=One-Click");
    expect(new TextDecoder().decode(await bytesOf(email))).not.toMatch(/unsubscribe/i);
  });

  it("carries its attachments, byte for byte, under their names", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
    const content = Buffer.from(bytes).toString("base64");
    const attachments = [
      { filename: "Rechnung März.pdf", contentType: "application/pdf", content },
      { filename: "a.txt", contentType: "text/plain", content: "SGk=" },
    ];
    const parsed = await PostalMime.parse(
      await bytesOf({ ...email, html: "<p>Hi</p>", attachments }),
    );
    expect(parsed.attachments.map(({ filename, mimeType }) => [filename, mimeType])).toEqual([
      ["Rechnung März.pdf", "application/pdf"],
      ["a.txt", "text/plain"],
    ]);
    expect(new Uint8Array(parsed.attachments[0]?.content as ArrayBuffer)).toEqual(bytes);
    expect(parsed.text?.trim()).toBe("Hi");
  });

  it.each([0, 1, 2, 3, 56, 57, 58, 57 * 1_024, 57 * 1_024 + 1, 200_000])(
    "carries an uploaded file of %d bytes as it is, and announces the size that it has",
    async (length) => {
      const bytes = anyBytes(length);
      const attachments = [
        { filename: "a.txt", contentType: "text/plain", content: "SGk=" },
        { filename: "large.bin", contentType: "application/octet-stream", bytes },
        { filename: "again.png", contentType: "image/png", bytes, contentId: "again" },
      ];
      const sent = { ...email, html: '<img src="cid:again">', attachments };
      const message = await bytesOf(sent);
      expect((await compose(sent)).size).toBe(message.byteLength);
      const parsed = await PostalMime.parse(message);
      const contents = Object.fromEntries(
        parsed.attachments.map(({ filename, content }) => [
          filename,
          new Uint8Array(content as ArrayBuffer),
        ]),
      );
      expect(contents).toEqual({
        "a.txt": Uint8Array.from([72, 105]),
        "large.bin": bytes,
        "again.png": bytes,
      });
    },
  );

  it("has a large uploaded file in small parts, of which each is made when it is read", async () => {
    const bytes = anyBytes(4_000_000);
    const reads: number[] = [];
    const subarray = bytes.subarray.bind(bytes);
    bytes.subarray = (from, to) => {
      reads.push(from ?? 0);
      return subarray(from, to);
    };
    const file = { filename: "a.bin", contentType: "image/png", bytes };
    const { open } = await compose({ ...email, attachments: [file] });
    const sizes: number[] = [];
    let early = 0;
    for await (const chunk of open()) {
      sizes.push((chunk as Uint8Array).byteLength);
      if (sizes.length === 10) early = reads.length;
    }
    expect(Math.max(...sizes)).toBeLessThan(100_000);
    expect(reads).toHaveLength(69);
    expect(early).toBeLessThan(30);
  });

  it("with an uploaded file is the same for each connection, except its boundaries", async () => {
    const file = { filename: "a.bin", contentType: "image/png", bytes: anyBytes(100) };
    const { open } = await compose({ ...email, attachments: [file] });
    const text = async (): Promise<string> =>
      (await buffer(open())).toString().replaceAll(/_NmP-\w+/g, "_NmP");
    expect(await text()).toBe(await text());
  });

  it.each(["message/rfc822", "multipart/mixed"])(
    "carries an attachment of type %s as bytes, on lines that every server takes",
    async (contentType) => {
      const bytes = Buffer.from(`Subject: inner\n\n${"z".repeat(5_000)}\ngrüße\n`);
      const attachments = [{ filename: "a.eml", contentType, content: bytes.toString("base64") }];
      const sent = await bytesOf({ ...email, attachments });
      const lines = Buffer.from(sent).toString("latin1").split("\r\n");
      expect(Math.max(...lines.map((line: string) => line.length))).toBeLessThanOrEqual(998);
      expect(sent.every((byte) => byte < 128)).toBe(true);
      const [attached] = (await PostalMime.parse(sent)).attachments;
      expect(attached).toMatchObject({ filename: "a.eml", mimeType: "application/octet-stream" });
      expect(Buffer.from(attached?.content as ArrayBuffer)).toEqual(bytes);
    },
  );

  it("shows inline files in its HTML, and has the headers and reply addresses given", async () => {
    const logo = { filename: "logo.png", contentType: "image/png", content: "SGk=" };
    const sent = await bytesOf({
      ...email,
      html: '<img src="cid:logo">',
      attachments: [
        { ...logo, contentId: "logo" },
        { ...logo, filename: "other.png" },
      ],
      replyTo: [
        { name: "Help, Inc.", address: "help@luna.example" },
        { name: "", address: "b@luna.example" },
      ],
      headers: {
        References: `<1@x.example> ${"<a-long-message-id@x.example> ".repeat(20).trim()}`,
        "List-Id": "Orders <orders.x.example>",
        "x-luna-email": "forged",
      },
    });
    const text = Buffer.from(sent).toString("latin1");
    expect(text).toMatch(/^Content-Type: multipart\/related;/m);
    const { attachments, replyTo, headers: all } = await PostalMime.parse(sent);
    expect(attachments.map(({ disposition, contentId }) => [disposition, contentId])).toEqual([
      ["inline", "<logo>"],
      ["attachment", undefined],
    ]);
    expect(replyTo).toEqual([
      { name: "Help, Inc.", address: "help@luna.example" },
      { name: "", address: "b@luna.example" },
    ]);
    const valueOf = (name: string) => all.filter(({ key }) => key === name).map((one) => one.value);
    expect(valueOf("list-id")).toEqual(["Orders <orders.x.example>"]);
    expect(valueOf("x-luna-email")).toEqual(["m1:2"]);
    expect(valueOf("references")[0]?.split(/\s+/)).toHaveLength(21);
  });

  it("gets a text part from its HTML", async () => {
    const parsed = await PostalMime.parse(
      await bytesOf({ ...email, text: null, html: "<h1>Hi</h1><p>there &amp; back</p>" }),
    );
    expect(parsed.text).toMatch(/hi\s+there & back/i);
    expect(parsed.html).toContain("<h1>Hi</h1>");
    const long = await PostalMime.parse(
      await bytesOf({
        ...email,
        text: null,
        html: `<p>${"word ".repeat(10_000)}</p><p>the end</p>`,
      }),
    );
    expect(long.text).toContain("the end");
  });

  it.each([
    ["unclosed", "<b>".repeat(300_000)],
    ["nested", `${"<div>".repeat(80_000)}x${"</div>".repeat(80_000)}`],
    ["listed", "<ul><li>".repeat(100_000)],
    ["broken", "<table><tr><td".repeat(60_000)],
  ])(
    "is made of any HTML up to the body limit, however hard it is to read as text: %s tags",
    async (_, html) => {
      const bytes = await bytesOf({ ...email, text: null, html });
      expect(bytes.byteLength).toBeGreaterThan(html.length);
    },
  );

  it("carries any subject and body of the schema, adds no header and has one recipient", async () => {
    const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(
        text,
        text,
        fc.option(text, { nil: undefined }),
        async (subject, body, html) => {
          const accepted = v.safeParse(emailRequest, {
            to: "ada@example.com",
            subject,
            text: body,
            html,
          });
          fc.pre(accepted.success);
          const parsed = await PostalMime.parse(
            await bytesOf({ ...email, subject, text: body, html: html ?? null }),
          );
          expect(parsed.subject?.replaceAll(/\s+/g, " ").trim()).toBe(
            subject.replaceAll(/\s+/g, " ").trim(),
          );
          expect(parsed.to).toEqual([{ address: "ada@example.com", name: "" }]);
          expect(parsed.cc ?? []).toEqual([]);
          expect(parsed.bcc ?? []).toEqual([]);
          expect(new Set(parsed.headers.map(({ key }) => key))).toEqual(
            new Set(headers(html !== undefined)),
          );
        },
      ),
      { numRuns: 300 },
    );
  });
});

function headers(multipart: boolean): string[] {
  const always = [
    "x-luna-email",
    "auto-submitted",
    "from",
    "to",
    "subject",
    "message-id",
    "date",
    "mime-version",
    "content-type",
  ];
  return multipart ? always : [...always, "content-transfer-encoding"];
}
