import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { layout, paragraph } from "./layout.ts";
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

export const enterpriseContact: Template<typeof data> = {
  data,
  example: {
    name: "Ada",
    company: "Analytical Engines Ltd",
    message: "We are 200 people.\nCan you host in the EU?",
  },
  subject: "Thank you, {{name}}: we will be in touch",
  html: layout({
    title: "Thank you, {{name}}",
    preheader: "We answer within one working day.",
    body: [
      paragraph(
        "We received your request for <strong>{{company}}</strong> " +
          "and answer within one working day.",
      ),
      paragraph("You wrote:"),
      '<blockquote style="margin:0 0 16px;padding:0 0 0 16px;border-left:3px solid #e4e4ec;' +
        'color:#5c5c70;white-space:pre-line">{{message}}</blockquote>',
    ].join("\n"),
    reason: "You get this email because you asked about the enterprise plan.",
  }),
  text: `Thank you, {{name}}

We received your request for {{company}} and answer within one working day.

You wrote:

{{message}}

You get this email because you asked about the enterprise plan.
`,
};
