import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { noticeTemplate } from "./notice.ts";

export const apiKeyCreated = noticeTemplate({
  data: v.strictObject({ userId: singleLine }),
  example: { userId: "ada" },
  subject: "Your account {{userId}} has one more API key",
  preheader: "The other keys work as before.",
  paragraphs: ["The account {{userId}} has one more API key. The other keys work as before."],
  reason: "If that was not you, contact {{product.name}} at once: an API key may be stolen.",
});
