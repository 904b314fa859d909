import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { layout, paragraph, row, rows, textLayout } from "./layout.ts";
import type { Template } from "./render.ts";

const data = v.strictObject({
  userId: singleLine,
  period: singleLine,
  metrics: v.pipe(
    v.array(v.strictObject({ name: singleLine, amount: singleLine }), "must be a list"),
    v.minLength(1, "must have at least one entry"),
    v.maxLength(50, "must have at most 50 entries"),
  ),
});

const title = "Your usage, {{period}}";
const reason = "You are receiving this email because your account was used in this period.";

export const usageReport: Template<typeof data> = {
  data,
  example: {
    userId: "ada",
    period: "16 to 22 November 2026",
    metrics: [
      { name: "API requests", amount: "12,403" },
      { name: "Emails sent", amount: "310" },
    ],
  },
  subject: title,
  html: layout({
    title,
    preheader: "What your account used.",
    body: [
      paragraph("Hello {{userId}}, this is what your account used."),
      rows(`{{#metrics}}${row("{{name}}", "{{amount}}")}{{/metrics}}`),
    ].join("\n"),
    reason,
  }),
  text: textLayout({
    title,
    body: `Hello {{userId}}, this is what your account used.

{{#metrics}}
{{name}}: {{amount}}
{{/metrics}}`,
    reason,
  }),
};
