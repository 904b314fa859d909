import { describe, expect, it } from "vitest";
import { preview, renderNamed, templateNames, type TemplateName } from "./templates.ts";

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
};
const rendered = (name: TemplateName, data: unknown) => {
  const email = renderNamed(name, data);
  return email.ok ? email.value : expect.fail(JSON.stringify(email.error));
};

describe.each(templateNames)("the template %s", (name) => {
  it("fills everything in subject, HTML and text, and says the same in both", () => {
    const { subject, html, text } = preview(name);
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
      expect(renderNamed(name, without)).toMatchObject({
        ok: false,
        error: { errors: [{ path: `data.${field}` }] },
      });
      expect(renderNamed(name, { ...fields[name], extra: 1 })).toMatchObject({
        ok: false,
        error: { errors: [{ path: "data.extra" }] },
      });
    },
  );
});

describe("data", () => {
  it.each([undefined, null, "text", 1, []])("that is %j is refused", (data) => {
    const refused = renderNamed("welcome", data);
    expect(refused).toMatchObject({ ok: false, error: { tag: "invalid" } });
    expect(JSON.stringify(refused)).toMatch(/"path":"data/);
  });

  it("with a line break where a subject would take it is refused", () => {
    expect(renderNamed("welcome", { userId: "a\r\nBcc: x@y.zz", tier: "pro" })).toMatchObject({
      ok: false,
      error: { errors: [{ path: "data.userId" }] },
    });
  });
});
