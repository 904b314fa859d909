import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { mailboxes, mailboxesFromColumn, mailboxesOf, mailboxesToColumn } from "./mailboxes.ts";

const errorsOf = (input: unknown): string[] =>
  (v.safeParse(mailboxes, input).issues ?? []).map(
    (issue) => `${v.getDotPath(issue) ?? ""}: ${issue.message}`,
  );
const shape = 'must be one address, as "ada@example.com" or "Ada <ada@example.com>"';

describe("mailboxes", () => {
  it.each([
    ["ada@example.com", "ada@example.com"],
    ["Ada <ada@example.com>", "Ada <ada@example.com>"],
    ['"Ada, Countess" <ada@example.com>', "Ada, Countess <ada@example.com>"],
    ["Ada <ada@bücher.example>", "Ada <ada@xn--bcher-kva.example>"],
    ["<ada@example.com>", "ada@example.com"],
    [["ada@example.com"], "ada@example.com"],
    [
      ["ada@example.com", "Bob <bob@example.com>"],
      ["ada@example.com", "Bob <bob@example.com>"],
    ],
  ])("%j are one request with %j", (input, output) => {
    expect(v.parse(mailboxes, input)).toEqual(output);
  });

  it.each([
    ["two in one text", "a@example.com, b@example.com", [`: ${shape}`]],
    ["an address in the name", "a@example.com <b@example.com>", [`: ${shape}`]],
    [
      "a line break in the name",
      "A\r\nB <b@example.com>",
      [": must not contain line breaks or control characters"],
    ],
    ["an escaped quote", String.raw`"A\"" <b@example.com>`, [`: ${shape}`]],
    ["no address", "Ada <nobody>", [`: ${shape}`]],
    ["a bad entry", ["a@example.com", "Ada <b@nowhere>"], ["1: must be one plain email address"]],
    ["an entry that is no text", ["a@example.com", 1], ["1: must be text"]],
    ["an empty list", [], [": must have at least one entry"]],
    ["neither text nor a list", {}, [": must be text"]],
    [
      "51 entries",
      Array.from({ length: 51 }, () => "a@example.com"),
      [": must have at most 50 entries"],
    ],
  ])("may not have %s, and the error names the entry", (_, input, errors) => {
    expect(errorsOf(input)).toEqual(errors);
  });

  it("survive being stored; one plain address is stored as each release reads it", () => {
    expect(mailboxesToColumn(mailboxesOf("ada@example.com"))).toBe("ada@example.com");
    for (const given of ["ada@example.com", "Ada, C <a@x.example>", ["a@x.example", "b@x.example"]])
      expect(mailboxesFromColumn(mailboxesToColumn(mailboxesOf(given)))).toEqual(
        mailboxesOf(given),
      );
  });
});
