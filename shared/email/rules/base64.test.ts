import * as fc from "fast-check";
import { expect, it } from "vitest";
import { validate } from "../../lib/worker/validate.ts";
import { emailRequest } from "../schemas.ts";
import { isBase64 } from "./base64.ts";

it("what was encoded is base64, also with each of its characters", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(isBase64(Buffer.from(bytes).toString("base64"))).toBe(true);
    }),
  );
});

it("a character that is none of base64 is found at each place", () => {
  const bad = fc.constantFrom("-", "_", "=", " ", "\n", "\u017f");
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), bad, (quads, at, character) => {
      const place = at % (quads * 4 - 2);
      const text = "A".repeat(quads * 4);
      expect(isBase64(text.slice(0, place) + character + text.slice(place + 1))).toBe(false);
    }),
  );
});

it.each(["A", "AB", "ABC", "=", "====", "A===", "AB=C"])("%s is not base64", (text) => {
  expect(isBase64(text)).toBe(false);
});

const file = { filename: "a", content: "AAAA" };
const whole = (text: string): Record<string, unknown> => ({
  from: text,
  to: text,
  cc: [text],
  subject: text,
  html: text,
  text,
  template: text,
  replyTo: text,
  onUnknown: text,
  sendAt: text,
  category: text,
  tags: [text],
  headers: { "X-A": text },
  "headers.name": text,
  "attachments.content": text,
  "attachments.filename": text,
  "attachments.contentType": text,
  "attachments.contentId": text,
  "attachments.id": text,
});

/** What long text needs a stack for in a pattern. */
const long = ["a", "a.", "\u00fc", "a/b; c="];

it.each(Object.keys(whole("")))("%s of 8 MiB is checked, not an overflow of the stack", (field) => {
  for (const part of long) {
    const text = part.repeat(8_388_608 / part.length);
    const [name = "", key = ""] = field.split(".");
    const value =
      name === "attachments"
        ? [key === "id" ? { id: text } : { ...file, [key]: text }]
        : key === "name"
          ? { [text]: "x" }
          : whole(text)[field];
    const email = { to: "a@b.cc", subject: "Hi", text: "Hi", [name]: value };
    expect(() => validate(emailRequest, email)).not.toThrow();
  }
});
