import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { layout, paragraph } from "./layout.ts";
import type { Template } from "./render.ts";

const data = v.strictObject({ userId: singleLine, tier: singleLine });

export const welcome: Template<typeof data> = {
  data,
  example: { userId: "ada", tier: "pro" },
  subject: "Welcome to Luna, {{userId}}",
  html: layout({
    title: "Welcome, {{userId}}",
    preheader: "Your account is ready.",
    body: [
      paragraph("Your account is ready on the <strong>{{tier}}</strong> plan."),
      paragraph(
        "Your API key was shown once when the account was created. " +
          "If it got lost, ask for a new one: the old one stops working at that moment.",
      ),
    ].join("\n"),
    reason:
      "You get this email because an account was created with your address. " +
      "If that was not you, reply and we will remove it.",
  }),
  text: `Welcome, {{userId}}

Your account is ready on the {{tier}} plan.

Your API key was shown once when the account was created. If it got lost,
ask for a new one: the old one stops working at that moment.

You get this email because an account was created with your address. If that
was not you, reply and we will remove it.
`,
};
