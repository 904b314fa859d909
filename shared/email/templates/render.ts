import Mustache from "mustache";
import type * as v from "valibot";

export type RenderedEmail = { subject: string; html: string; text: string };

/** An email with `{{placeholders}}`, what fills them, and an example of that for a preview. */
export type Template<Schema extends v.GenericSchema<unknown, object>> = RenderedEmail & {
  data: Schema;
  example: v.InferInput<Schema>;
};

/**
 * Fills the `{{placeholders}}` of a template: escaped in `html`, verbatim in `subject` and `text`.
 */
export function renderTemplate(template: RenderedEmail, data: object): RenderedEmail {
  return {
    // A subject is one line, also if a value has line breaks.
    subject: Mustache.render(template.subject, data, {}, asIs).replaceAll(/\s+/g, " "),
    html: Mustache.render(template.html, data),
    text: Mustache.render(template.text, data, {}, asIs),
  };
}

const asIs = { escape: String };
