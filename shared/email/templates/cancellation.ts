import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { layout, paragraph } from "./layout.ts";
import type { Template } from "./render.ts";

const data = v.strictObject({ userId: singleLine, endsOn: singleLine });

export const cancellation: Template<typeof data> = {
  data,
  example: { userId: "ada", endsOn: "31 December 2026" },
  subject: "Your Luna subscription ends on {{endsOn}}",
  html: layout({
    title: "Your subscription ends on {{endsOn}}",
    preheader: "You can use everything until then.",
    body: [
      paragraph(
        "Hello {{userId}}, your subscription is cancelled. " +
          "You can use everything until <strong>{{endsOn}}</strong>.",
      ),
      paragraph(
        "After that the account moves to the free plan, and your data stays. " +
          "To change your mind, choose a plan again at any time.",
      ),
    ].join("\n"),
    reason:
      "You get this email because your subscription was cancelled. " +
      "If that was not you, reply at once.",
  }),
  text: `Your subscription ends on {{endsOn}}

Hello {{userId}}, your subscription is cancelled. You can use everything
until {{endsOn}}.

After that the account moves to the free plan, and your data stays. To change
your mind, choose a plan again at any time.

You get this email because your subscription was cancelled. If that was not
you, reply at once.
`,
};
