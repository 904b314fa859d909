import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { layout, paragraph, textLayout } from "./layout.ts";
import type { Template } from "./render.ts";

const data = v.strictObject({ userId: singleLine, tier: singleLine });

const title = "Welcome, {{userId}}";
const key =
  "Your API key was shown once, when the account was created. " +
  "If it was lost, ask for a new one: the old one then stops working.";
const reason =
  "You are receiving this email because an account was created with your address. " +
  "If that was not you, reply and we will remove it.";

export const welcome: Template<typeof data> = {
  data,
  example: { userId: "ada", tier: "pro" },
  subject: "Welcome to {{product.name}}, {{userId}}",
  html: layout({
    title,
    preheader: "Your account is ready.",
    body: [
      paragraph("Your account is ready on the <strong>{{tier}}</strong> plan."),
      paragraph(key),
    ].join("\n"),
    reason,
  }),
  text: textLayout({
    title,
    body: `Your account is ready on the {{tier}} plan.

${key}`,
    reason,
  }),
};
