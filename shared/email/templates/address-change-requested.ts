import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { noticeTemplate } from "./notice.ts";

export const addressChangeRequested = noticeTemplate({
  data: v.strictObject({ userId: singleLine }),
  example: { userId: "ada" },
  subject: "A new address was requested for your account {{userId}}",
  preheader: "It replaces this address once it is confirmed.",
  paragraphs: [
    "The API key of your account {{userId}} was used to request another address. " +
      "A link was sent there. Until it is confirmed, the account keeps this address.",
  ],
  reason: "If that was not you, replace the API key at once: the link then stops working.",
});
