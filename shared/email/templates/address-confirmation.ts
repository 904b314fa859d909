import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { button, layout, paragraph, textLayout } from "./layout.ts";
import type { Template } from "./render.ts";

const data = v.strictObject({
  userId: singleLine,
  link: v.pipe(
    v.string("must be text"),
    v.maxLength(500, "is too long"),
    v.regex(/^https?:\/\/[^\s<>"']+$/, "must be a URL"),
  ),
});

const title = "Confirm the new address of your account {{userId}}";
const meanwhile = "Until then the account keeps its present address.";
const reason = "If that was not you, do nothing: the account does not get this address.";

export const addressConfirmation: Template<typeof data> = {
  data,
  example: { userId: "ada", link: "https://api.example.com/confirm-address/token" },
  requires: ["link"],
  subject: title,
  html: layout({
    title,
    preheader: meanwhile,
    body: [
      paragraph(
        "This address was entered as the new address of the account " +
          "<strong>{{userId}}</strong>. Confirm it within 24 hours:",
      ),
      button("Confirm this address", "{{link}}"),
      paragraph(meanwhile),
    ].join("\n"),
    reason,
  }),
  text: textLayout({
    title,
    body: `This address was entered as the new address of the account {{userId}}.
Confirm it within 24 hours:

{{link}}

${meanwhile}`,
    reason,
  }),
};
