import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { layout, paragraph, textLayout } from "./layout.ts";
import type { Template } from "./render.ts";

const data = v.strictObject({
  name: singleLine,
  company: singleLine,
  message: v.pipe(
    v.string("must be text"),
    v.minLength(1, "is empty"),
    v.maxLength(5_000, "is too long"),
  ),
});

const title = "Thank you, {{name}}";
const reason = "You are receiving this email because you asked about the enterprise plan.";

export const enterpriseContact: Template<typeof data> = {
  data,
  example: {
    name: "Ada",
    company: "Analytical Engines Ltd",
    message: "We are 200 people.\nCan you host in the EU?",
  },
  subject: "Thank you, {{name}}: we will be in touch",
  html: layout({
    title,
    preheader: "We received your request and will be in touch.",
    body: [
      paragraph("We received your request for <strong>{{company}}</strong> and will be in touch."),
      paragraph("You wrote:"),
      '<blockquote class="soft" style="margin:0 0 16px;padding:0 0 0 16px;' +
        "border-left:3px solid #e4e4ec;color:#5c5c70;white-space:pre-line;" +
        'overflow-wrap:anywhere">{{message}}</blockquote>',
    ].join("\n"),
    reason,
  }),
  text: textLayout({
    title,
    body: `We received your request for {{company}} and will be in touch.

You wrote:

{{message}}`,
    reason,
  }),
};
