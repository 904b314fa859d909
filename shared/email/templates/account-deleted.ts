import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { noticeTemplate } from "./notice.ts";

export const accountDeleted = noticeTemplate({
  data: v.strictObject({ userId: singleLine }),
  example: { userId: "ada" },
  subject: "Your account {{userId}} was deleted",
  preheader: "Its address and its API key are erased.",
  paragraphs: [
    "The account {{userId}} was deleted: its address and its API key are erased. " +
      "Its emails that have not left are cancelled.",
  ],
  reason: "If that was not you, contact {{product.name}} at once: the API key may be stolen.",
});
