import * as v from "valibot";
import { singleLine } from "./fields.ts";
import { button, layout, paragraph, textLayout } from "./layout.ts";
import type { Template } from "./render.ts";

const data = v.strictObject({
  team: singleLine,
  role: singleLine,
  days: v.pipe(
    v.number("must be a number"),
    v.integer("must be a whole number"),
    v.minValue(1, "must be at least 1"),
  ),
  link: v.pipe(
    v.string("must be text"),
    v.maxLength(500, "is too long"),
    v.regex(/^https?:\/\/[^\s<>"']+$/, "must be a URL"),
  ),
});

const title = "You are invited to the team {{team}}";
const reason = "If you do not know this team, do nothing: you become no member.";
const validity = "The invitation is valid for this number of days: {{days}}.";

export const teamInvitation: Template<typeof data> = {
  data,
  example: {
    team: "Design",
    role: "member",
    days: 7,
    link: "https://api.example.com/invitations/token",
  },
  subject: "You are invited to the team {{team}} of {{product.name}}",
  html: layout({
    title,
    preheader: validity,
    body: [
      paragraph("You can join <strong>{{team}}</strong> with the role {{role}}."),
      button("Accept or decline", "{{link}}"),
      paragraph(validity),
    ].join("\n"),
    reason,
  }),
  text: textLayout({
    title,
    body: `You can join {{team}} with the role {{role}}.
Accept or decline:

{{link}}

${validity}`,
    reason,
  }),
};
