import * as v from "valibot";
import { named } from "../lib/worker/named.ts";
import { record } from "../lib/worker/record.ts";

export const emailContent = named("EmailContent", {
  html: v.optional(v.string()),
  text: v.optional(v.string()),
  headers: v.optional(record(v.string(), v.string())),
  attachments: v.optional(
    v.array(
      v.strictObject({
        filename: v.string(),
        contentType: v.string(),
        contentId: v.optional(v.string()),
      }),
    ),
  ),
});

/** The content of an email. Of its files their names. */
export type ContentAnswer = v.InferOutput<typeof emailContent>;
