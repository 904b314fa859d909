import * as v from "valibot";
import { shortList } from "../http/lists.ts";
import { named } from "../lib/worker/named.ts";
import { record } from "../lib/worker/record.ts";
import { emailRequest, inlineAttachment, MAX_ATTACHMENTS, namedAttachment } from "./schemas.ts";
import { templateName } from "./templates/rules/name.ts";
import { isBuiltIn, templateData, templateNames } from "./templates/templates.ts";

/**
 * The forms of an email: with text, with HTML, or with a template and its data: each built-in one,
 * and any other that is stored. Together they
 * accept what `emailRequest` and the templates accept, so they describe that for generated clients.
 * They do not validate, because a union cannot name the wrong field.
 */

const { to, subject, html, text, template: _, data: __, ...others } = emailRequest.entries;
const attachment = v.union([inlineAttachment, namedAttachment]);
const common = { ...others, attachments: v.optional(shortList(attachment, MAX_ATTACHMENTS)) };

const withText = named("TextEmail", {
  to,
  subject: subject.wrapped,
  text: v.pipe(text.wrapped, v.nonEmpty("must not be empty")),
  html,
  ...common,
});
const withHtml = named("HtmlEmail", {
  to,
  subject: subject.wrapped,
  html: html.wrapped,
  text,
  ...common,
});

/** "trial-expiry" as "TrialExpiry". */
const typeName = (name: string): string =>
  name.replaceAll(/(^|-)(\w)/g, (_match, _dash, letter: string) => letter.toUpperCase());

const withTemplate = templateNames.map((name) =>
  named(`${typeName(name)}Email`, {
    to,
    // Some generators know an `enum` of one name and no `const`.
    template: v.picklist([name]),
    data: named(`${typeName(name)}Data`, templateData(name).entries),
    ...common,
  }),
);

const withStoredTemplate = named("TemplateEmail", {
  to,
  template: v.pipe(
    templateName,
    v.check((name) => !isBuiltIn(name), "has a form of its own"),
  ),
  data: v.optional(record(v.string(), v.unknown())),
  ...common,
});

export const emailForms = v.union([withText, withHtml, ...withTemplate, withStoredTemplate]);
