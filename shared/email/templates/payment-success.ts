import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { layout, paragraph, row, rows, textLayout } from "./layout.ts";
import type { Template } from "./render.ts";

const data = v.strictObject({
  userId: singleLine,
  amount: singleLine,
  plan: singleLine,
  invoiceNumber: singleLine,
  paidOn: singleLine,
});

const title = "Thank you for your payment";
const reason = "You are receiving this email because a payment was made for your account.";

export const paymentSuccess: Template<typeof data> = {
  data,
  example: {
    userId: "ada",
    amount: "EUR 29.00",
    plan: "pro",
    invoiceNumber: "2026-00042",
    paidOn: "1 December 2026",
  },
  subject: "Receipt {{invoiceNumber}}: {{amount}}",
  html: layout({
    title,
    preheader: "{{amount}} for the {{plan}} plan.",
    body: [
      paragraph("Hello {{userId}}, we received your payment."),
      rows(
        [
          row("Amount", "{{amount}}"),
          row("Plan", "{{plan}}"),
          row("Paid on", "{{paidOn}}"),
          row("Invoice", "{{invoiceNumber}}"),
        ].join(""),
      ),
    ].join("\n"),
    reason,
  }),
  text: textLayout({
    title,
    body: `Hello {{userId}}, we received your payment.

Amount:   {{amount}}
Plan:     {{plan}}
Paid on:  {{paidOn}}
Invoice:  {{invoiceNumber}}`,
    reason,
  }),
};
