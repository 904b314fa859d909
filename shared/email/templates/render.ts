import Mustache from "mustache";
import type * as v from "valibot";

export type RenderedMail = { subject: string; html: string; text: string };

/** A mail with `{{placeholders}}`, what fills them, and an example of that for a preview. */
export type Template<Schema extends v.GenericSchema<unknown, object>> = RenderedMail & {
  data: Schema;
  example: v.InferInput<Schema>;
};

/**
 * Fills the `{{placeholders}}` of a template: escaped in `html`, verbatim in `subject` and `text`.
 */
export function renderTemplate(template: RenderedMail, data: object): RenderedMail {
  return {
    // A subject is one line, whatever fills it.
    subject: Mustache.render(template.subject, data, {}, asIs).replaceAll(/\s+/g, " "),
    html: Mustache.render(template.html, data),
    text: Mustache.render(template.text, data, {}, asIs),
  };
}

const asIs = { escape: String };
