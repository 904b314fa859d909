import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { address, formatMailbox, mailbox, parseMailbox, quotedMailbox } from "./address.ts";

const accepts = (text: string): boolean => v.is(address, text);

describe("an address", () => {
  it.each([
    "ada@example.com",
    "a.b+c@sub.example.co",
    "O'Neil@example.org",
    "x@xn--bcher-kva.example",
  ])("may be %s", (text) => {
    expect(accepts(text)).toBe(true);
  });

  it.each([
    ["a line break", "ada@example.com\r\nBcc: eve@example.com"],
    ["a bare line feed at the end", "ada@example.com\n"],
    ["NUL", "ada\u0000@example.com"],
    ["two addresses", "ada@example.com,eve@example.com"],
    ["a display name", "Ada <ada@example.com>"],
    ["a comment", "ada(eve@example.com)@example.com"],
    ["a quoted local part", '"ada@evil.com,"@example.com'],
    ["a group", "all:ada@example.com;"],
    ["a route", "@evil.com:ada@example.com"],
    ["an IDN before the @", "bücher@example.com"],
    ["a domain that has no ASCII form", "ada@bücher.xn--a"],
    ["no dot in the domain", "ada@localhost"],
    ["an address literal", "ada@[127.0.0.1]"],
    ["a space", "ada @example.com"],
    ["a leading dot", ".ada@example.com"],
    ["a domain label that begins with a dash", "ada@-example.com"],
    ["nothing", ""],
    ["65 characters before the @", `${"a".repeat(65)}@example.com`],
    [
      "255 characters",
      `ada@${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}.${"d".repeat(60)}.example`,
    ],
  ])("may not have %s", (_, text) => {
    expect(accepts(text)).toBe(false);
  });

  it("never holds a character that separates or ends a header, for any input", () => {
    const part = fc.string({
      unit: fc.constantFrom(..."ab.@-+_'<>()[],;: \"\\\r\n\t\u0000é".split("")),
      maxLength: 6,
    });
    let accepted = 0;
    fc.assert(
      fc.property(part, part, fc.constantFrom("", "@example.com"), (before, after, domain) => {
        const candidate = `${before}${domain}${after}`;
        const parsed = v.safeParse(address, candidate);
        if (!parsed.success) return;
        accepted += 1;
        expect(parsed.output).not.toMatch(/[\s,;:<>()[\]"\\]|[^ -~]/);
      }),
      { numRuns: 20_000 },
    );
    expect(accepted).toBeGreaterThan(0);
  });
});

it("an internationalized domain is converted to ASCII, once", () => {
  expect(v.parse(address, "ada@bücher.example")).toBe("ada@xn--bcher-kva.example");
  expect(v.parse(address, "ada@BÜCHER.例え.jp")).toBe("ada@xn--bcher-kva.xn--r8jz45g.jp");
  expect(v.parse(address, "ada@xn--bcher-kva.example")).toBe("ada@xn--bcher-kva.example");
  expect(v.parse(address, "Ada@Example.com")).toBe("Ada@Example.com");
});

describe("a sender", () => {
  it("is a plain address or a name with one", () => {
    expect(v.parse(mailbox, "Luna <hello@luna.example>")).toEqual({
      name: "Luna",
      address: "hello@luna.example",
    });
    expect(v.parse(mailbox, "hello@luna.example")).toEqual({
      name: "",
      address: "hello@luna.example",
    });
    expect(v.is(mailbox, "Luna hello@luna.example")).toBe(false);
    expect(v.is(mailbox, "<a@b.example> <c@d.example>")).toBe(false);
  });

  it("may have its name in quotes, which Resend gets where the name needs them", () => {
    const acme = { name: "Acme, Inc.", address: "hello@acme.example" };
    expect(v.parse(mailbox, '"Acme, Inc." <hello@acme.example>')).toEqual(acme);
    expect(v.parse(mailbox, "Acme, Inc. <hello@acme.example>")).toEqual(acme);
    expect(quotedMailbox(acme)).toBe('"Acme, Inc." <hello@acme.example>');
    expect(quotedMailbox({ ...acme, name: "Müller & Co" })).toBe(
      "Müller & Co <hello@acme.example>",
    );
    expect(v.is(mailbox, '"Ac"me" <hello@acme.example>')).toBe(false);
  });

  it("is stored as each release reads it", () => {
    const acme = { name: "Acme, Inc.", address: "hello@acme.example" };
    expect(parseMailbox(formatMailbox(acme))).toEqual(acme);
    expect(formatMailbox(acme)).not.toContain('"');
  });

  it("survives being written and read back", () => {
    const sender = { name: "Luna", address: "hello@luna.example" };
    expect(parseMailbox(formatMailbox(sender))).toEqual(sender);
  });
});
