import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { button, layout, paragraph, textLayout } from "./layout.ts";
import type { Template } from "./render.ts";

const data = v.strictObject({
  account: singleLine,
  address: singleLine,
  link: v.pipe(
    v.string("must be text"),
    v.maxLength(500, "is too long"),
    v.regex(/^https?:\/\/[^\s<>"']+$/, "must be a URL"),
  ),
});

const title = "Confirm {{address}} as a sender";
const reason = "If you do not know this account, do nothing: it does not send as you.";

export const senderVerification: Template<typeof data> = {
  data,
  example: {
    account: "ada",
    address: "hello@example.com",
    link: "https://api.example.com/verify-sender/token",
  },
  requires: ["link"],
  subject: title,
  html: layout({
    title,
    preheader: reason,
    body: [
      paragraph(
        "The account <strong>{{account}}</strong> asked to send emails as " +
          "<strong>{{address}}</strong>. Confirm it within 24 hours:",
      ),
      button("Confirm this sender", "{{link}}"),
    ].join("\n"),
    reason,
  }),
  text: textLayout({
    title,
    body: `The account {{account}} asked to send emails as {{address}}.
Confirm it within 24 hours:

{{link}}`,
    reason,
  }),
};
