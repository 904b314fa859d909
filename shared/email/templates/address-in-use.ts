import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { noticeTemplate } from "./notice.ts";

export const addressInUse = noticeTemplate({
  data: v.strictObject({ address: singleLine }),
  example: { address: "ada@example.com" },
  subject: "You have an account with the address {{address}}",
  preheader: "Nothing has changed.",
  paragraphs: [
    "Another account asked for the address {{address}}. " +
      "You have an account with it already, so nothing has changed.",
  ],
  reason: "You receive this email at most once per day. There is nothing to do.",
});
