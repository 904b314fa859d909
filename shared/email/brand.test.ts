import { describe, expect, it } from "vitest";
import { composedBytes } from "../../test/support/composed.ts";
import { outgoingEmail } from "../../test/support/outgoing-email.ts";
import { brandOf, checkBrand, wrongBrandVariables, type BrandVariables } from "./brand.ts";
import { handOver } from "./delivery/hand-over.ts";
import { sender } from "./settings.ts";
import type { EmailInHandOver } from "./sql/delivery.ts";
import { preview, templateNames } from "./templates/templates.ts";
import type { GuardedTransport, OutgoingEmail } from "./transports/transport.ts";

const acme = {
  EMAIL_FROM: "hello@acme.example",
  PRODUCT_NAME: "Acme",
  PRODUCT_COLOUR: "#ffe600",
  PRODUCT_LOGO: "https://acme.example/logo.png 120x32",
  PRODUCT_FOOTER: "Acme Ltd, 1 Example Street",
  PRODUCT_LANGUAGE: "en-US",
};

describe("the brand", () => {
  it("without settings is that of earlier releases", () => {
    expect(brandOf({})).toMatchObject({
      name: "Luna",
      slug: "luna",
      colours: { brand: "#4b3fce", onBrand: "#ffffff", onLight: "#4b3fce" },
      logo: null,
      footer: "",
      language: "en-GB",
      emailIdHeader: "X-Luna-Email",
    });
    expect(sender({ EMAIL_FROM: "hello@acme.example" })).toEqual({
      ok: true,
      value: "hello@acme.example",
    });
  });

  it("takes empty variables as not set", () => {
    const empty = Object.fromEntries(Object.keys(acme).map((name) => [name, " "]));
    expect(brandOf({ ...empty, PRODUCT_NAME: "" })).toEqual(brandOf({}));
  });

  it("has its settings, and black text on a light colour", () => {
    expect(brandOf(acme)).toMatchObject({
      name: "Acme",
      slug: "acme",
      colours: { brand: "#ffe600", onBrand: "#000000", onDark: "#ffe600" },
      logo: { url: "https://acme.example/logo.png", width: 120, height: 32 },
      footer: "Acme Ltd, 1 Example Street",
      language: "en-US",
    });
    expect(brandOf({ PRODUCT_COLOUR: "0A7D55" }).colours.brand).toBe("#0a7d55");
  });

  it.each([
    ["Acme, Inc.", "acme-inc"],
    ["Café Zürich", "cafe-zurich"],
    ["37 signals", "product"],
    ["日本語", "product"],
    ["A very long name of a very large product", "a-very-long-name-of"],
  ])("%j is %s in headers", (PRODUCT_NAME, slug) => {
    expect(brandOf({ PRODUCT_NAME }).slug).toBe(slug);
  });

  it.each<BrandVariables>([
    { PRODUCT_NAME: 'Acme <"x">' },
    { PRODUCT_NAME: "Acme\r\nBcc: eve@example.com" },
    { PRODUCT_NAME: "a".repeat(61) },
    { PRODUCT_COLOUR: "green" },
    { PRODUCT_COLOUR: "#fff" },
    { PRODUCT_LOGO: "http://acme.example/logo.png 120x32" },
    { PRODUCT_LOGO: "https://acme.example/logo.png" },
    { PRODUCT_LOGO: "https://acme.example/logo.png 0x32" },
    { PRODUCT_LOGO: "https://acme.example/logo.png 497x32" },
    { PRODUCT_LOGO: "https://acme.example/logo.png 120x201" },
    { PRODUCT_LOGO: "javascript:alert(1) 120x32" },
    { PRODUCT_FOOTER: "a".repeat(301) },
    { PRODUCT_LANGUAGE: "english please" },
    { PRODUCT_LANGUAGE: "xx" },
  ])("%j is refused by name, and the default is used meanwhile", (given) => {
    const [variable = ""] = Object.keys(given);
    const refused = { tag: "misconfigured", variable };
    expect(checkBrand(given)).toMatchObject({ ok: false, error: refused });
    expect(wrongBrandVariables({ ...given })).toMatchObject([refused]);
    expect(brandOf({ ...given })).toEqual(brandOf({}));
  });
});

/** The email as the transports get it. */
async function handedOver(rendered: { subject: string; html: string; text: string }) {
  const from = sender(acme);
  let handed: OutgoingEmail = outgoingEmail;
  const transport = {
    name: "smtp",
    deadlineMs: 0,
    send: async (email: OutgoingEmail) => {
      handed = email;
      return { kind: "accepted", detail: {} };
    },
  } as unknown as GuardedTransport;
  const row = {
    id: "m1",
    generation: 1,
    generationAt: 0,
    leaseExpiresAt: 1_000,
    attempts: 1,
    to: "ada@example.com",
    part: 1,
    recipients: null,
    replyTo: null,
    attachments: null,
    headers: null,
    category: null,
    from: from.ok ? from.value : "",
    traceId: null,
    ...rendered,
  } as unknown as EmailInHandOver;
  const { emailIdHeader } = brandOf(acme);
  await handOver(transport, row, { unsubscribe: null, emailIdHeader }, 0);
  return { ...handed, unsubscribeUrl: "https://api.acme.example/unsubscribe/x" };
}

describe.each(templateNames)("the template %s", (name) => {
  const rendered = preview(name, brandOf(acme));

  it("is under the brand, and as it is sent nothing names Luna", async () => {
    const { subject, html, text } = rendered;
    expect(subject + html + text).not.toMatch(/luna/i);
    // Users of Luna have no page of settings.
    expect(subject + html + text).not.toMatch(/\b(settings?|preferences?|dashboard)\b/i);
    expect(html).toContain('<html lang="en-US">');
    expect(html).toMatch(/<img [^>]*width="120" height="32" alt="Acme"/);
    for (const part of [html, text]) expect(part).toContain("Acme Ltd, 1 Example Street");
    const bytes = await composedBytes(await handedOver(rendered));
    const raw = new TextDecoder().decode(bytes);
    expect(raw).toMatch(/^From: Acme <hello@acme\.example>\r$/m);
    expect(raw).toMatch(/^X-Email-ID: m1:1\r$/m);
    expect(raw).not.toMatch(/luna/i);
  });

  it("has the name in place of the logo if there is none, and no empty footer", () => {
    const { html, text } = preview(name, brandOf({ PRODUCT_NAME: "Acme & Sons" }));
    expect(html).not.toContain("<img");
    expect(html).toContain("Acme &amp; Sons");
    expect(text).toMatch(/[^\n]\n$/);
  });
});
