import { Buffer } from "node:buffer";
import fc from "fast-check";
import { expect, it } from "vitest";
import { runs } from "../../../test/support/seed.ts";
import { jsonBody, fileMark } from "./json-body.ts";

const text = fc
  .oneof(fc.string({ unit: "grapheme" }), fc.constantFrom('"\\u00000"', "\\u00001", "\\", '"'))
  .filter((one) => !one.includes("\u0000"));
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 50 }),
  fc.integer({ min: 196_600, max: 196_620 }).map((length) => new Uint8Array(length).fill(251)),
);

it("JSON with files has the bytes that JSON.stringify would give, with any text beside them", () => {
  fc.assert(
    fc.property(text, fc.array(fc.tuple(text, bytes), { maxLength: 3 }), (subject, files) => {
      const value = (contentOf: (place: number) => string) => ({
        subject,
        attachments: files.map(([filename], place) => ({ filename, content: contentOf(place) })),
      });
      const contents = files.map(([, content]) => content);
      const expected = value((place) => Buffer.from(contents[place] ?? []).toString("base64"));
      const body = jsonBody(value(fileMark), contents);
      expect(Buffer.from(body).equals(Buffer.from(JSON.stringify(expected)))).toBe(true);
    }),
    { numRuns: runs },
  );
});
