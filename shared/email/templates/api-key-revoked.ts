import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { noticeTemplate } from "./notice.ts";

export const apiKeyRevoked = noticeTemplate({
  data: v.strictObject({ userId: singleLine }),
  example: { userId: "ada" },
  subject: "The API key of your account {{userId}} was revoked",
  preheader: "The key is refused from now on.",
  paragraphs: [
    "The API key of the account {{userId}} is refused from now on. " +
      "{{product.name}} can issue another one.",
  ],
  reason: "If that was not you, contact {{product.name}} at once: the API key may be stolen.",
});
