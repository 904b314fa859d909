import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { layout, paragraph, textLayout } from "./layout.ts";
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

const title = "Your trial ends on {{trialEndsOn}}";
const choice =
  "Choose a plan before then and everything continues as it is. If you do not, the account " +
  "keeps its data, without the paid features.";
const reason = "You are receiving this email because your account is on a trial.";

export const trialExpiry: Template<typeof data> = {
  data,
  example: { userId: "ada", trialEndsOn: "14 December 2026", daysLeft: 3 },
  subject: "Your {{product.name}} trial ends on {{trialEndsOn}}",
  html: layout({
    title,
    preheader: "Days left: {{daysLeft}}. Nothing is deleted.",
    body: [
      paragraph(
        "Hello {{userId}}, your trial ends soon. Days left: <strong>{{daysLeft}}</strong>.",
      ),
      paragraph(choice),
    ].join("\n"),
    reason,
  }),
  text: textLayout({
    title,
    body: `Hello {{userId}}, your trial ends soon. Days left: {{daysLeft}}.

${choice}`,
    reason,
  }),
};
