import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { noticeTemplate } from "./notice.ts";

export const addressChanged = noticeTemplate({
  data: v.strictObject({ userId: singleLine }),
  example: { userId: "ada" },
  subject: "The address of your account {{userId}} was changed",
  preheader: "Emails about the account go elsewhere now.",
  paragraphs: [
    "The account {{userId}} has another address now. " +
      "Emails about it no longer come to this address.",
  ],
  reason: "If that was not you, contact {{product.name}} at once: the API key may be stolen.",
});
