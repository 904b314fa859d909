import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { senderAddress, senderDomain, senderName, senderOf, transportOrder } from "./senders.ts";

const standard = { name: "Luna", address: "Hello@Luna.example" };

describe("the sender of an email", () => {
  it("is EMAIL_FROM in any case of letters of its domain, and in no other of its local part", () => {
    expect(senderOf({ name: "", address: "Hello@LUNA.example" }, standard)).toBe("standard");
    expect(senderOf({ name: "", address: "hello@luna.example" }, standard)).toEqual({
      name: "",
      address: "hello@luna.example",
      domain: "luna.example",
    });
  });

  it("is looked up by its address and by its whole domain, not by a part of it", () => {
    expect(senderOf({ name: "Acme", address: "Billing@Mail.Acme.example" }, standard)).toEqual({
      name: "Acme",
      address: "Billing@mail.acme.example",
      domain: "mail.acme.example",
    });
  });

  it("is EMAIL_FROM also if that has an internationalized domain", () => {
    const own = { name: "", address: "a@bücher.example" };
    expect(senderOf({ name: "", address: "a@xn--bcher-kva.example" }, own)).toBe("standard");
  });
});

describe("what a sender is", () => {
  it.each([
    [senderAddress, "Ada@Bücher.Example", "Ada@xn--bcher-kva.example"],
    [senderDomain, "Bücher.Example", "xn--bcher-kva.example"],
    [senderDomain, "Mail.Acme.EXAMPLE", "mail.acme.example"],
  ])("is compared in one form: %#", (schema, given, expected) => {
    expect(v.parse(schema, given)).toBe(expected);
  });

  it.each(["", "localhost", "a@b.cc", "-a.example", "a b.example", "a.example.", ".a.example"])(
    "is no domain: %s",
    (text) => expect(v.is(senderDomain, text)).toBe(false),
  );

  it.each(['A "b"', "A <b>", "a\\b", "=?utf-8?q?a?=", " ", ""])("has no such name: %s", (name) =>
    expect(v.is(senderName, name)).toBe(false),
  );

  it("names one transport or several, none of them twice", () => {
    expect(v.parse(transportOrder, "smtp")).toEqual(["smtp"]);
    expect(v.parse(transportOrder, ["resend", "smtp"])).toEqual(["resend", "smtp"]);
    for (const wrong of [[], ["smtp", "smtp"], "pigeon", ["smtp", "pigeon"], 1])
      expect(v.is(transportOrder, wrong), JSON.stringify(wrong)).toBe(false);
  });
});
