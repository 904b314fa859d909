import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { noticeTemplate } from "./notice.ts";

export const apiKeyRotated = noticeTemplate({
  data: v.strictObject({ userId: singleLine }),
  example: { userId: "ada" },
  subject: "The API key of your account {{userId}} was replaced",
  preheader: "The old key is refused from now on.",
  paragraphs: ["The account {{userId}} has a new API key. The old key is refused from now on."],
  reason: "If that was not you, contact {{product.name}} at once: the API key may be stolen.",
});
