import * as v from "valibot";
import { record } from "../../lib/worker/record.ts";
import type { FieldError } from "../../lib/worker/validate.ts";
import type { Brand } from "../brand.ts";
import { emailSubject } from "../rules/subject.ts";
import { compileTemplate, fillTemplate, filledWith, type TemplateContent } from "./compose.ts";
import { asIs, fill } from "./rules/fill.ts";
import type { Token } from "./rules/tokens.ts";
import { builtIn, checkBuiltInData, isBuiltIn } from "./templates.ts";

/** A version of a template before it is stored. */

const MAX_HTML = 200_000;
const MAX_TEXT = 100_000;
const MAX_EXAMPLE = 50_000;

const source = (maxLength: number) =>
  v.pipe(
    v.string("must be text"),
    v.nonEmpty("must not be empty"),
    v.maxLength(maxLength, `must have at most ${maxLength} characters`),
    // oxlint-disable-next-line no-control-regex -- NUL is what it looks for
    v.regex(/^[^\u0000]*$/, "must not contain NUL"),
  );

const templateExample = v.pipe(
  record(v.string(), v.unknown()),
  v.check(
    (example) => JSON.stringify(example).length <= MAX_EXAMPLE,
    `must have at most ${MAX_EXAMPLE} characters of JSON`,
  ),
);

/** The fields of a version in a request. */
export const draftEntries = {
  subject: emailSubject,
  html: source(MAX_HTML),
  text: v.optional(source(MAX_TEXT)),
  layout: v.optional(v.boolean("must be true or false"), true),
  example: v.optional(templateExample),
};

/** `example`: by default that of the built-in template of its name, or none. */
export type Draft = { content: TemplateContent; example: Record<string, unknown> };

type DraftFields = {
  subject: string;
  html: string;
  text?: string | undefined;
  layout: boolean;
  example?: Record<string, unknown> | undefined;
};

export function draftOf(
  name: string,
  { subject, html, text, layout, example }: DraftFields,
): Draft {
  const byDefault = isBuiltIn(name) ? (builtIn(name).example as Record<string, unknown>) : {};
  const content = { subject, html, text: text ?? null, layout };
  return { content, example: example ?? byDefault };
}

/**
 * What is wrong with a version: empty if an email with its example can be made, and if one that
 * replaces a built-in template works with all data of that.
 */
export function checkDraft(name: string, { content, example }: Draft, brand: Brand): FieldError[] {
  const compiled = compileTemplate({ ...content, layout: false });
  if (!compiled.ok) return compiled.error;
  const wrong = [
    ...(hasRaw(compiled.value.html) ? [{ path: "html", message: noRaw }] : []),
    ...(content.layout && /<(?:!doctype|html|head|body)\b/i.test(content.html)
      ? [{ path: "html", message: "is a whole document: set layout to false" }]
      : []),
  ];
  if (wrong.length > 0) return wrong;
  if (isBuiltIn(name)) {
    const fit = checkReplacement(name, compiled.value, content, brand);
    if (fit.length > 0) return fit;
    const data = checkBuiltInData(name, example, "example");
    if (!data.ok) return data.error.errors;
  }
  // The brand may lose its logo later.
  for (const one of [brand, { ...brand, logo: null }]) {
    const composed = fillTemplate(content, example, one, "example");
    if (!composed.ok) return composed.error;
  }
  return [];
}

/** In each branch there is a logo to look at. */
const withLogo = (brand: Brand): Brand => ({
  ...brand,
  logo: brand.logo ?? { url: "", width: 0, height: 0 },
});

const noRaw =
  "must not use {{{name}}} or {{&name}}: what fills HTML is always escaped. Write {{name}}";

const hasRaw = (tokens: readonly Token[]): boolean =>
  tokens.some((token) =>
    token.kind === "section" ? hasRaw(token.inner) : token.kind === "value" && token.raw,
  );

type Parts = Record<"subject" | "html" | "text", readonly Token[]>;

/** The data of a built-in template has all its fields, for each branch of a section. */
function checkReplacement(
  name: Parameters<typeof builtIn>[0],
  parts: Parts,
  { text }: TemplateContent,
  brand: Brand,
): FieldError[] {
  const { example, requires = [] } = builtIn(name);
  const view = filledWith(example as object, withLogo(brand));
  const has = Object.keys(example as object).join(", ");
  const unknown = (["subject", "html", "text"] as const).flatMap((part) => {
    const filled = fill(parts[part], view, { escape: asIs, everyBranch: true });
    if (filled.ok) return [];
    const names = filled.error.map(({ path }) => path).join(", ");
    const message = `uses ${names}, which the built-in template ${name} has not: it has ${has}`;
    return [{ path: part, message }];
  });
  const missing = (text === null ? ["html" as const] : ["html" as const, "text" as const]).flatMap(
    (part) =>
      requires
        .filter((field) => !parts[part].some((one) => isValue(one, field)))
        .map((field) => ({ path: part, message: `must use {{${field}}} outside of sections` })),
  );
  return [...unknown, ...missing];
}

const isValue = (token: Token, name: string): boolean =>
  token.kind === "value" && token.name === name;

/**
 * The fields that a version uses, as paths such as `items[].price`, in order. Of a section whose
 * field the example leaves out, those that it finds.
 */
export function fieldsOf({ content, example }: Draft, brand: Brand): string[] {
  const compiled = compileTemplate(content);
  if (!compiled.ok) return [];
  const fields = new Set<string>();
  const onField = (path: readonly string[]): void => {
    if (path[0] !== "product") fields.add(path.join(".").replaceAll(/\.\d+(?=\.|$)/g, "[]"));
  };
  const view = filledWith(example, withLogo(brand));
  for (const part of ["subject", "html", "text"] as const)
    fill(compiled.value[part], view, { escape: asIs, everyBranch: true, onField });
  return [...fields].toSorted();
}
