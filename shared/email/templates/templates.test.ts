import { describe, expect, it } from "vitest";
import { brandOf } from "../brand.ts";
import { preview, renderNamed, templateNames, type TemplateName } from "./templates.ts";

const luna = brandOf({});

/** Every field of each template, with something hostile in it. */
const hostile = `<script>alert("x")</script>&'{{evil}}`;
const fields: Record<TemplateName, object> = {
  welcome: { userId: hostile, tier: hostile },
  "trial-expiry": { userId: hostile, trialEndsOn: hostile, daysLeft: 3 },
  "payment-success": {
    userId: hostile,
    amount: hostile,
    plan: hostile,
    invoiceNumber: hostile,
    paidOn: hostile,
  },
  cancellation: { userId: hostile, endsOn: hostile },
  "usage-report": {
    userId: hostile,
    period: hostile,
    metrics: [{ name: hostile, amount: hostile }],
  },
  "enterprise-contact": { name: hostile, company: hostile, message: `${hostile}\nsecond line` },
  "address-confirmation": { userId: hostile, link: "https://luna.example/confirm-address/x?a=1&b" },
  "sender-verification": {
    account: hostile,
    address: hostile,
    link: "https://luna.example/verify-sender/x?a=1&b",
  },
  "sender-unverified": { domain: hostile, record: hostile },
  "address-in-use": { address: hostile },
  "address-change-requested": { userId: hostile },
  "address-changed": { userId: hostile },
  "api-key-created": { userId: hostile },
  "api-key-rotated": { userId: hostile },
  "api-key-revoked": { userId: hostile },
  "account-deleted": { userId: hostile },
  "team-invitation": {
    team: hostile,
    role: hostile,
    days: 7,
    link: "https://luna.example/invitations/x?a=1&b",
  },
};
const rendered = (name: TemplateName, data: unknown) => {
  const email = renderNamed(name, data, luna);
  return email.ok ? email.value : expect.fail(JSON.stringify(email.error));
};

describe.each(templateNames)("the template %s", (name) => {
  it("fills everything in subject, HTML and text, with the same content in both", () => {
    const { subject, html, text } = preview(name, luna);
    for (const part of [subject, html, text])
      expect(part).not.toMatch(/\{\{|\}\}|undefined|\[object/);
    expect(subject).toMatch(/^[^\r\n]{5,100}$/);
    const words = (of: string): Set<string> =>
      new Set(of.toLowerCase().match(/[a-z0-9-]{4,}/g) ?? []);
    const inHtml = words(html.replaceAll(/<[^>]+>/g, " "));
    const missing = [...words(text)].filter((word) => !inHtml.has(word));
    expect(missing).toEqual([]);
  });

  it("escapes what fills it in HTML, leaves it as it is in text, and never lets it be a template itself", () => {
    const { subject, html, text } = rendered(name, fields[name]);
    expect(html).not.toContain("<script>");
    expect(html).toContain("&lt;script&gt;");
    for (const part of [subject, text]) expect(part).toContain(hostile);
    expect(subject).not.toContain("\n");
  });

  it.each(Object.keys(fields[name]))(
    "refuses data without %s by its path, and a field that it does not know",
    (field) => {
      const without = Object.fromEntries(
        Object.entries(fields[name]).filter(([key]) => key !== field),
      );
      expect(renderNamed(name, without, luna)).toMatchObject({
        ok: false,
        error: { errors: [{ path: `data.${field}` }] },
      });
      expect(renderNamed(name, { ...fields[name], extra: 1 }, luna)).toMatchObject({
        ok: false,
        error: { errors: [{ path: "data.extra" }] },
      });
    },
  );
});

describe("the link of address-confirmation", () => {
  it.each(["javascript:alert(1)", 'https://a.example/"onclick=x', "https://a.example/ b", "text"])(
    "is refused if it is %j",
    (link) => {
      expect(renderNamed("address-confirmation", { userId: "ada", link }, luna)).toMatchObject({
        ok: false,
        error: { errors: [{ path: "data.link" }] },
      });
    },
  );
});

describe("data", () => {
  it.each([undefined, null, "text", 1, []])("that is %j is refused", (data) => {
    const refused = renderNamed("welcome", data, luna);
    expect(refused).toMatchObject({ ok: false, error: { tag: "invalid" } });
    expect(JSON.stringify(refused)).toMatch(/"path":"data/);
  });

  it("with a line break where a subject would take it is refused", () => {
    expect(renderNamed("welcome", { userId: "a\r\nBcc: x@y.zz", tier: "pro" }, luna)).toMatchObject(
      {
        ok: false,
        error: { errors: [{ path: "data.userId" }] },
      },
    );
  });
});
