import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { noticeTemplate } from "./notice.ts";

export const senderUnverified = noticeTemplate({
  data: v.strictObject({ domain: singleLine, record: singleLine }),
  example: { domain: "acme.example", record: "_sender-verification.acme.example" },
  subject: "{{domain}} is no longer verified as a sender",
  preheader: "Its DNS record is gone.",
  paragraphs: [
    "For three days the DNS has had no TXT record {{record}} with the text that verified " +
      "{{domain}}. New emails from this domain are refused.",
    "To send from it again, restore the record, then verify the sender again.",
  ],
  reason: "You get this email because your account verified this domain as a sender.",
});
