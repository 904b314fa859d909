import Mustache from "mustache";
import type * as v from "valibot";
import { surfaces, type Brand } from "../brand.ts";
import { UNSUBSCRIBE_PLACEHOLDER } from "../rules/unsubscribe-placeholder.ts";

export type RenderedEmail = { subject: string; html: string; text: string };

/** An email with `{{placeholders}}`, what fills them, and an example of that for a preview. */
export type Template<Schema extends v.GenericSchema<unknown, object>> = RenderedEmail & {
  data: Schema;
  example: v.InferInput<Schema>;
};

/**
 * Fills the `{{placeholders}}` of a template: escaped in `html`, verbatim in `subject` and `text`.
 * `{{product.name}}` and its siblings are the brand. `{{unsubscribeUrl}}` stays: each email has a
 * link of its own.
 */
export function renderTemplate(template: RenderedEmail, data: object, brand: Brand): RenderedEmail {
  const filled = {
    unsubscribeUrl: UNSUBSCRIBE_PLACEHOLDER,
    ...data,
    product: { ...brand, surfaces },
  };
  return {
    // A subject is one line, also if a value has line breaks.
    subject: Mustache.render(template.subject, filled, {}, asIs).replaceAll(/\s+/g, " "),
    html: Mustache.render(template.html, filled),
    text: Mustache.render(template.text, filled, {}, asIs),
  };
}

const asIs = { escape: String };
