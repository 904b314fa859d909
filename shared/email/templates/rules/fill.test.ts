import fc from "fast-check";
import Mustache from "mustache";
import { describe, expect, it } from "vitest";
import { asIs, escapeHtml, fill } from "./fill.ts";
import { parseTemplate } from "./tokens.ts";

type Data = Record<string, unknown>;

const filled = (source: string, data: Data, everyBranch = false) => {
  const tokens = parseTemplate(source);
  if (!tokens.ok) return expect.fail(tokens.error);
  return fill(tokens.value, data, { escape: escapeHtml, everyBranch });
};
const wrong = (source: string, data: Data, everyBranch = false) => {
  const result = filled(source, data, everyBranch);
  return result.ok ? [] : result.error.map(({ path }) => path);
};

const name = fc.constantFrom("a", "b", "c", "a.b", "a.b.c", "b.length", "a.0", ".");
const { template } = fc.letrec<{ template: string; node: string }>((tie) => ({
  template: fc.array(tie("node"), { maxLength: 5 }).map((nodes) => nodes.join("")),
  node: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom("x", "<b>", "\n", " \n", "{ ", "}}", "{{! note }}"),
    name.map((one) => `{{${one}}}`),
    fc
      .tuple(fc.constantFrom("#", "^"), name, fc.constantFrom("", "\n"), tie("template"))
      .map(([kind, one, line, inner]) => `{{${kind}${one}}}${line}${inner}{{/${one}}}${line}`),
  ),
}));
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "medium" },
    fc.constantFrom<unknown>("", "text", "<i>&'", 0, 7, true, false, null),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value"), { maxKeys: 3 }),
  ),
}));
const data = fc.dictionary(fc.constantFrom("a", "b", "c"), value, {
  maxKeys: 3,
}) as fc.Arbitrary<Data>;

/** Each name that Mustache looks up finds something. */
function mustacheFindsAll(source: string, given: Data): boolean {
  let all = true;
  class Watching extends Mustache.Context {
    override push(view: unknown): Watching {
      return new Watching(view, this);
    }
    override lookup(looked: string): unknown {
      const found: unknown = super.lookup(looked);
      if (found === undefined) all = false;
      return found;
    }
  }
  Mustache.render(source, new Watching(given));
  return all;
}

describe("a template that is filled", () => {
  it("is what Mustache makes, whenever no field is refused", () => {
    let accepted = 0;
    fc.assert(
      fc.property(template, data, (source, given) => {
        const result = filled(source, given);
        if (!result.ok) return;
        accepted += 1;
        expect(result.value).toBe(Mustache.render(source, given));
        expect(result.value).not.toMatch(/\[object|undefined/);
        expect(mustacheFindsAll(source, given)).toBe(true);
      }),
      { numRuns: 3_000 },
    );
    expect(accepted).toBeGreaterThan(500);
  });

  it("that has all fields in every branch has them for all data of that shape", () => {
    const shape = { on: "yes", items: [{ label: "one", tags: ["t"] }], link: "https://a.example" };
    const field = fc.constantFrom("on", "label", "link", "nothing");
    const part = fc.oneof(
      field.map((one) => `{{${one}}}`),
      fc
        .tuple(fc.constantFrom("#", "^"), fc.constantFrom("on", "items", "tags"), field)
        .map(([kind, section, one]) => `{{${kind}${section}}}{{${one}}}{{/${section}}}`),
    );
    const item = fc.record({
      label: fc.string(),
      tags: fc.array(fc.string(), { minLength: 1, maxLength: 2 }),
    });
    const similar = fc.record({
      on: fc.string(),
      items: fc.array(item, { minLength: 1, maxLength: 3 }),
      link: fc.string(),
    });
    fc.assert(
      fc.property(fc.array(part), similar, (parts, given) => {
        const source = parts.join("");
        const fits = wrong(source, shape, true).length === 0;
        expect(fits ? wrong(source, given) : []).toEqual([]);
      }),
    );
  });

  it.each<[string, Data, string[]]>([
    ["{{name}} {{name}} {{age}}", {}, ["name", "age"]],
    ["{{user.name}}", { user: {} }, ["user.name"]],
    ["{{user.name}}", { user: "x" }, ["user.name"]],
    ["{{user}}", { user: {} }, ["user"]],
    ["{{name}}", { name: null }, ["name"]],
    ["{{#items}}{{price}}{{/items}}", {}, ["items"]],
    ["{{#items}}{{price}}{{/items}}", { items: [{ price: 1 }, {}] }, ["items.1.price"]],
    ["{{#items}}{{price}}{{/items}}", { items: [{}, {}], price: 1 }, []],
    ["{{#items}}{{price}}{{/items}}", { items: [null] }, ["items.0"]],
    ["{{#items}}{{price}}{{/items}}{{^items}}{{none}}{{/items}}", { items: [] }, ["none"]],
    ["{{#items}}{{.}}{{/items}}", { items: ["a", 1, true] }, []],
    ["{{#items}}{{.}}{{/items}}", { items: [{}] }, ["items.0"]],
    ["{{#on}}{{name}}{{/on}}", { on: false }, []],
    ["{{#on}}{{name}}{{/on}}", { on: true }, ["name"]],
    ["{{#on}}{{name}}{{/on}}", { on: null }, []],
    [
      "{{toString2}}{{#items.length}}{{items.length}}{{/items.length}}",
      { items: [1] },
      ["toString2"],
    ],
  ])("names each field that is missing or wrong: %s with %j", (source, given, paths) => {
    expect(wrong(source, given)).toEqual(paths);
  });

  it("finds nothing in the prototype of an object or a list", () => {
    for (const field of ["map", "items.map", "items.at", "text.big"])
      expect(wrong(`{{${field}}}`, { items: [], text: "x" })).toEqual([field]);
  });

  it("ends, however often sections in each other repeat", () => {
    const items = Array.from({ length: 100 }, (_, n) => n);
    const nested = `${"{{#items}}".repeat(5)}x{{.}}${"{{/items}}".repeat(5)}`;
    const empty = `${"{{#items}}".repeat(6)}${"{{/items}}".repeat(6)}`;
    for (const source of [nested, empty])
      expect(filled(source, { items })).toMatchObject({ ok: false, error: [{ path: "" }] });
    const long = { text: "x".repeat(10_000), items };
    expect(filled("{{#items}}{{text}}{{text}}{{/items}}", long).ok).toBe(false);
  });

  it("has its values escaped in HTML, and as they are elsewhere", () => {
    const tokens = parseTemplate("{{x}}{{{x}}}");
    const given = { x: `<a href="'">&` };
    const of = tokens.ok ? tokens.value : [];
    expect(JSON.stringify(fill(of, given, { escape: escapeHtml }))).not.toMatch(/<|'/);
    expect(fill(of, given, { escape: asIs })).toEqual({ ok: true, value: given.x + given.x });
  });
});

describe("a template", () => {
  it.each([
    ["{{#a}}", "Unclosed section"],
    ["{{a", "Unclosed tag"],
    ["{{/a}}", "Unopened section"],
    ["{{> header}}", "partial"],
    ["{{=<% %>=}}", "delimiters"],
    ["{{}}", "name of a field"],
    ["{{constructor}}", "name of a field"],
    ["{{a.__proto__.b}}", "name of a field"],
    ["{{hasOwnProperty}}", "name of a field"],
    ["{{#a b}}{{/a b}}", "name of a field"],
    [`{{a${".0".repeat(100)}}}`, "at most 200 characters"],
    [`${"{{#a}}".repeat(11)}${"{{/a}}".repeat(11)}`, "at most 10 sections"],
  ])("is refused with the reason: %s", (source, reason) => {
    const parsed = parseTemplate(source);
    expect(parsed).toMatchObject({ ok: false, error: expect.stringContaining(reason) });
  });

  it("is parsed or refused, and never throws", () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom("{", "}", "#", "^", "/", "&", "a", " ", "=", ">", "!", "."),
        }),
        (source) => {
          expect(typeof parseTemplate(source).ok).toBe("boolean");
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
