import fc from "fast-check";
import PostalMime from "postal-mime";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { emailMessage } from "../schemas.ts";
import { compose } from "./compose.ts";
import type { OutgoingMail } from "./transport.ts";

const mail: OutgoingMail = {
  messageId: "<m1@luna.example>",
  id: "m1",
  generation: 2,
  date: new Date("2026-01-02T03:04:05Z"),
  from: { name: "Luna", address: "hello@luna.example" },
  to: "ada@example.com",
  replyTo: null,
  subject: "Hello",
  html: null,
  text: "Hi",
};

describe("a composed mail", () => {
  it("has the same identity and date for every attempt", async () => {
    const [first, second] = await Promise.all([compose(mail), compose(mail)].map(async (bytes) => PostalMime.parse(await bytes)));
    expect(first).toMatchObject({ messageId: "<m1@luna.example>", date: "2026-01-02T03:04:05.000Z" });
    expect(second).toMatchObject({ messageId: "<m1@luna.example>", date: "2026-01-02T03:04:05.000Z" });
    expect(first?.headers.find(({ key }) => key === "x-luna-email")?.value).toBe("m1:2");
  });

  it("gets a text part from its HTML", async () => {
    const parsed = await PostalMime.parse(await compose({ ...mail, text: null, html: "<h1>Hi</h1><p>there &amp; back</p>" }));
    expect(parsed.text).toMatch(/hi\s+there & back/i);
    expect(parsed.html).toContain("<h1>Hi</h1>");
  });

  it("carries any subject and body that the schema lets through, adds no header and reaches one recipient", async () => {
    const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(text, text, fc.option(text, { nil: undefined }), async (subject, body, html) => {
        const accepted = v.safeParse(emailMessage, { to: "ada@example.com", subject, text: body, html });
        fc.pre(accepted.success);
        const parsed = await PostalMime.parse(await compose({ ...mail, subject, text: body, html: html ?? null }));
        expect(parsed.subject?.replaceAll(/\s+/g, " ").trim()).toBe(subject.replaceAll(/\s+/g, " ").trim());
        expect(parsed.to).toEqual([{ address: "ada@example.com", name: "" }]);
        expect(parsed.cc ?? []).toEqual([]);
        expect(parsed.bcc ?? []).toEqual([]);
        expect(new Set(parsed.headers.map(({ key }) => key))).toEqual(new Set(headers(html !== undefined)));
      }),
      { numRuns: 300 },
    );
  });
});

function headers(multipart: boolean): string[] {
  const always = ["x-luna-email", "auto-submitted", "from", "to", "subject", "message-id", "date", "mime-version", "content-type"];
  return multipart ? always : [...always, "content-transfer-encoding"];
}
