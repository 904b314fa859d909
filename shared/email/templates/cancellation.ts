import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { layout, paragraph, textLayout } from "./layout.ts";
import type { Template } from "./render.ts";

const data = v.strictObject({ userId: singleLine, endsOn: singleLine });

const title = "Your subscription ends on {{endsOn}}";
const after =
  "After that the account keeps its data, without the paid features. " +
  "To change your mind, choose a plan again at any time.";
const reason =
  "You are receiving this email because your subscription was cancelled. " +
  "If that was not you, reply at once.";

export const cancellation: Template<typeof data> = {
  data,
  example: { userId: "ada", endsOn: "31 December 2026" },
  subject: "Your {{product.name}} subscription ends on {{endsOn}}",
  html: layout({
    title,
    preheader: "You can use everything until then.",
    body: [
      paragraph(
        "Hello {{userId}}, your subscription is cancelled. " +
          "You can use everything until <strong>{{endsOn}}</strong>.",
      ),
      paragraph(after),
    ].join("\n"),
    reason,
  }),
  text: textLayout({
    title,
    body: `Hello {{userId}}, your subscription is cancelled. You can use everything
until {{endsOn}}.

${after}`,
    reason,
  }),
};
