import Mustache from "mustache";

export type RenderedMail = { subject: string; html: string; text: string };

/** Fills the `{{placeholders}}` of a template: escaped in `html`, as they are in `subject` and `text`. */
export function renderTemplate(template: RenderedMail, data: Record<string, string>): RenderedMail {
  return {
    subject: Mustache.render(template.subject, data, {}, asIs),
    html: Mustache.render(template.html, data),
    text: Mustache.render(template.text, data, {}, asIs),
  };
}

const asIs = { escape: String };
