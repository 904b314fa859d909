import * as v from "valibot";
import { fail, ok, type Result } from "../../lib/base/result.ts";
import type { FieldError } from "../../lib/worker/validate.ts";
import { surfaces, type Brand } from "../brand.ts";
import { MAX_TEXTS_BYTES } from "../rules/large-files.ts";
import { emailSubject } from "../rules/subject.ts";
import { UNSUBSCRIBE_PLACEHOLDER } from "../rules/unsubscribe-placeholder.ts";
import { storedLayout, storedTextLayout } from "./layout.ts";
import { asIs, escapeHtml, fill, type Escape } from "./rules/fill.ts";
import { parseTemplate, type Token } from "./rules/tokens.ts";

/** What a version of a stored template consists of. `layout`: the brand's stands around it. */
export type TemplateContent = {
  subject: string;
  html: string;
  /** Null: it is made of the HTML, as of each email without one. */
  text: string | null;
  layout: boolean;
};

export type PublishedTemplate = TemplateContent & { version: number };

export type FilledEmail = { subject: string; html: string; text?: string };

type Part = "subject" | "html" | "text";
type Compiled = Record<Part, readonly Token[]>;

/** Lives as long as the content, which the cache holds. */
const compiledOf = new WeakMap<TemplateContent, Result<Compiled, FieldError[]>>();

/** @returns `html` or another part of the content, and what is wrong with it */
export function compileTemplate(content: TemplateContent): Result<Compiled, FieldError[]> {
  const known = compiledOf.get(content) ?? compile(content);
  compiledOf.set(content, known);
  return known;
}

function compile({ subject, html, text, layout }: TemplateContent): Result<Compiled, FieldError[]> {
  const sources: Record<Part, string> = { subject, html, text: text ?? "" };
  const own = parseAll(sources);
  if (!own.ok || !layout) return own;
  return parseAll({
    subject,
    html: storedLayout({ subject, html }),
    text: storedTextLayout(sources.text),
  });
}

function parseAll(sources: Record<Part, string>): Result<Compiled, FieldError[]> {
  const errors: FieldError[] = [];
  const parsed = (part: Part): readonly Token[] => {
    const tokens = parseTemplate(sources[part]);
    if (tokens.ok) return tokens.value;
    errors.push({ path: part, message: tokens.error });
    return [];
  };
  const compiled = { subject: parsed("subject"), html: parsed("html"), text: parsed("text") };
  return errors.length === 0 ? ok(compiled) : fail(errors);
}

/** What names are looked up in: the data, and the brand as `product`. */
export const filledWith = (data: object, brand: Brand): Record<string, unknown> => ({
  ...data,
  product: { ...brand, surfaces },
});

const escapes: Record<Part, Escape> = { subject: asIs, html: escapeHtml, text: asIs };

/**
 * An email of a stored template: escaped in HTML, verbatim in subject and text. There
 * `{{unsubscribeUrl}}` stays, as in a built-in one. In a subject it would never become a link.
 *
 * @param root what the paths of errors begin with
 */
export function fillTemplate(
  content: TemplateContent,
  data: object,
  brand: Brand,
  root = "data",
): Result<FilledEmail, FieldError[]> {
  const compiled = compileTemplate(content);
  if (!compiled.ok) return compiled;
  const view = filledWith(data, brand);
  const withLink = { unsubscribeUrl: UNSUBSCRIBE_PLACEHOLDER, ...view };
  const errors = new Map<string, string>();
  const filled = (part: Part): string => {
    const given = part === "subject" ? view : withLink;
    const result = fill(compiled.value[part], given, { escape: escapes[part] });
    if (result.ok) return result.value;
    for (const { path, message } of result.error)
      errors.set(path === "" ? root : `${root}.${path}`, message);
    return "";
  };
  const parts = {
    // A subject is one line, also if a value has line breaks.
    subject: filled("subject").replaceAll(/\s+/g, " ").trim(),
    html: filled("html"),
    text: content.text === null ? null : filled("text"),
  };
  if (errors.size > 0) return fail([...errors].map(([path, message]) => ({ path, message })));
  const wrong = checkFilled(parts);
  if (wrong !== null) return fail([{ path: root, message: wrong }]);
  const { text, ...rest } = parts;
  return ok({ ...rest, ...(text !== null && { text }) });
}

function checkFilled({
  subject,
  html,
  text,
}: {
  subject: string;
  html: string;
  text: string | null;
}): string | null {
  const checked = v.safeParse(emailSubject, subject);
  if (!checked.success) return `makes a subject that ${checked.issues[0].message}`;
  if ([html, text ?? ""].some((part) => part.includes("\0"))) return "must not contain NUL";
  // A row of D1 could not hold much more.
  const bytes = new TextEncoder().encode(html + (text ?? "")).byteLength;
  return bytes > MAX_TEXTS_BYTES ? `makes an email of more than ${MAX_TEXTS_BYTES} bytes` : null;
}
