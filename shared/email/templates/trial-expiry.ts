import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { layout, paragraph } from "./layout.ts";
import type { Template } from "./render.ts";

const data = v.strictObject({
  userId: singleLine,
  trialEndsOn: singleLine,
  daysLeft: v.pipe(
    v.number("must be a number"),
    v.integer("must be a whole number"),
    v.minValue(0, "must be at least 0"),
  ),
});

export const trialExpiry: Template<typeof data> = {
  data,
  example: { userId: "ada", trialEndsOn: "14 December 2026", daysLeft: 3 },
  subject: "Your Luna trial ends on {{trialEndsOn}}",
  html: layout({
    title: "Your trial ends on {{trialEndsOn}}",
    preheader: "Days left: {{daysLeft}}. Nothing is deleted.",
    body: [
      paragraph(
        "Hello {{userId}}, your trial ends soon. Days left: <strong>{{daysLeft}}</strong>.",
      ),
      paragraph(
        "Choose a plan until then and everything goes on as it is. " +
          "If you do not, the account moves to the free plan: nothing is deleted.",
      ),
    ].join("\n"),
    reason: "You get this email because your account is on a trial.",
  }),
  text: `Your trial ends on {{trialEndsOn}}

Hello {{userId}}, your trial ends soon. Days left: {{daysLeft}}.

Choose a plan until then and everything goes on as it is. If you do not, the
account moves to the free plan: nothing is deleted.

You get this email because your account is on a trial.
`,
};
