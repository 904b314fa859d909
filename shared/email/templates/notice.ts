import type * as v from "valibot";
import { layout, paragraph, textLayout } from "./layout.ts";
import type { Template } from "./render.ts";

type Notice<Schema extends v.GenericSchema<unknown, object>> = {
  data: Schema;
  example: v.InferInput<Schema>;
  subject: string;
  preheader: string;
  paragraphs: string[];
  reason: string;
};

/** A template of plain paragraphs: the same in HTML and text. */
export function noticeTemplate<Schema extends v.GenericSchema<unknown, object>>({
  data,
  example,
  subject,
  preheader,
  paragraphs,
  reason,
}: Notice<Schema>): Template<Schema> {
  return {
    data,
    example,
    subject,
    html: layout({
      title: subject,
      preheader,
      body: paragraphs.map(paragraph).join("\n"),
      reason,
    }),
    text: textLayout({ title: subject, body: paragraphs.join("\n\n"), reason }),
  };
}
