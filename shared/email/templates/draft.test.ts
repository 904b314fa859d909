import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { brandOf } from "../brand.ts";
import { fillTemplate } from "./compose.ts";
import { checkDraft, draftEntries, draftOf, fieldsOf } from "./draft.ts";
import { builtIn, templateNames } from "./templates.ts";

const brand = brandOf({ PRODUCT_NAME: "Acme", PRODUCT_FOOTER: "Acme, Paris" });
const schema = v.strictObject(draftEntries);
const order = {
  subject: "Order {{order}}",
  html: "<p>{{#items}}{{name}}: {{price}}{{/items}}</p>",
  text: "{{#items}}{{name}}{{/items}}",
  example: { order: "1042", items: [{ name: "Tea", price: 3 }] },
};
const draft = (fields: object, name = "order") =>
  draftOf(name, v.parse(schema, { ...order, ...fields }));
const wrong = (fields: object, name = "order") => checkDraft(name, draft(fields, name), brand);
const composed = (fields: object, data: object) => {
  const email = fillTemplate(draft(fields).content, data, brand);
  return email.ok ? email.value : expect.fail(JSON.stringify(email.error));
};

describe("a version of a template", () => {
  it("stands in the brand's layout in HTML and text, unless it wants none", () => {
    const within = composed({}, order.example);
    expect(within.subject).toBe("Order 1042");
    expect(within.html).toMatch(/^<!doctype html>[^]*Acme[^]*<p>Tea: 3<\/p>[^]*Acme, Paris/);
    expect(within.text).toBe("Tea\n\nAcme, Paris\n");
    const alone = composed({ layout: false }, order.example);
    expect(alone).toMatchObject({ html: "<p>Tea: 3</p>", text: "Tea" });
  });

  it("without a text leaves it to be made of the HTML", () => {
    const { text: _, ...rest } = order;
    const email = fillTemplate(
      draftOf("order", v.parse(schema, rest)).content,
      order.example,
      brand,
    );
    expect(email.ok && "text" in email.value).toBe(false);
  });

  it("escapes what fills its HTML, also where its subject is the title", () => {
    const { html, subject } = composed({ subject: "{{{order}}}" }, { order: "<b>", items: [] });
    expect(subject).toBe("<b>");
    expect(html).toContain("<title>&lt;b&gt;</title>");
    expect(html).not.toContain("<b>");
  });

  it("has a subject of one line, also if a value has several", () => {
    expect(composed({}, { order: "1\r\nBcc: a@b.cc", items: [] }).subject).toBe(
      "Order 1 Bcc: a@b.cc",
    );
    const long = fillTemplate(draft({}).content, { order: "x".repeat(2_000), items: [] }, brand);
    expect(long).toMatchObject({ ok: false, error: [{ path: "data" }] });
  });

  it("that fills to more than an email may have is refused", () => {
    const data = {
      order: "1",
      items: Array.from({ length: 90 }, () => ({ name: "é".repeat(6_000), price: 1 })),
    };
    expect(fillTemplate(draft({}).content, data, brand)).toMatchObject({
      ok: false,
      error: [{ path: "data", message: expect.stringContaining("1048576") }],
    });
  });

  it.each<[object, string]>([
    [{ html: "<p>{{{order}}}</p>" }, "html"],
    [{ html: "{{#items}}{{&name}}{{/items}}" }, "html"],
    [{ html: "<html><p>Hi</p></html>" }, "html"],
    [{ html: "{{#items}}" }, "html"],
    [{ text: "{{> footer}}" }, "text"],
    [{ subject: "{{=<% %>=}}" }, "subject"],
    [{ example: { order: "1" } }, "example.items"],
    [{ example: { order: "1", items: [{ name: "Tea" }] } }, "example.items.0.price"],
    [{ subject: "{{order}} {{product.nothing}}" }, "example.product.nothing"],
    [{ subject: "{{#items}}{{/items}} " }, "example"],
    [{ html: "{{product.logo.url}}" }, "example.product.logo.url"],
  ])("is refused by the name of what is wrong: %j", (fields, path) => {
    expect(wrong(fields).map((one) => one.path)).toEqual([path]);
  });

  it("lists the fields that it uses, in each branch of a section", () => {
    const fields = {
      html: "{{#items}}{{name}}{{/items}}{{^items}}{{order}} {{product.name}}{{/items}}",
    };
    expect(fieldsOf(draft(fields), brand)).toEqual(["items", "items[].name", "order"]);
  });
});

describe.each(templateNames)("a version that replaces %s", (name) => {
  it("may be the built-in one itself", () => {
    const { subject, html, text } = builtIn(name);
    const same = draftOf(name, v.parse(schema, { subject, html, text, layout: false }));
    expect(checkDraft(name, same, brand)).toEqual([]);
  });
});

describe("a version that replaces a built-in template", () => {
  const replacement = {
    subject: "Hi {{userId}}",
    html: "<p>{{tier}}</p>",
    text: "{{tier}}",
    example: undefined,
  };

  it("has its data, and needs no example of its own", () => {
    expect(wrong(replacement, "welcome")).toEqual([]);
    expect(wrong({ ...replacement, example: { userId: "ada" } }, "welcome")).toMatchObject([
      { path: "example.tier" },
    ]);
  });

  it("uses none of the fields that the built-in one has not, in no branch", () => {
    for (const html of ["{{name}}", "{{^tier}}{{name}}{{/tier}}", "{{#tier}}{{name}}{{/tier}}"])
      expect(wrong({ ...replacement, html }, "welcome")).toMatchObject([
        { path: "html", message: expect.stringContaining("uses name") },
      ]);
  });

  it("keeps the link without which the email has no purpose, in HTML and in text", () => {
    const linked = {
      subject: "Hi",
      html: '<a href="{{link}}">',
      text: "{{link}}",
      example: undefined,
    };
    expect(wrong(linked, "address-confirmation")).toEqual([]);
    const without = { ...linked, html: "{{#userId}}{{link}}{{/userId}}", text: "Hi" };
    expect(wrong(without, "address-confirmation").map(({ path }) => path)).toEqual([
      "html",
      "text",
    ]);
  });
});
