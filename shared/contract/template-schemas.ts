import * as v from "valibot";
import { mailboxText } from "../email/rules/mailboxes.ts";
import { draftEntries } from "../email/templates/draft.ts";
import { templateSources } from "../email/templates/rules/choice.ts";
import { templateName } from "../email/templates/rules/name.ts";
import { time } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { record } from "../lib/worker/record.ts";
import { count } from "./operation.ts";

/** What the operations of shared templates and of tenants' templates share. */

const versionNumber = v.pipe(v.string(), v.regex(/^\d{1,9}$/, "must be a number"));
const asNumber = v.pipe(versionNumber, v.transform(Number));

export const templateParams = { name: { schema: templateName, names: "template" } };
export const versionParams = {
  ...templateParams,
  version: { schema: versionNumber, names: "version" },
};

const summary = {
  name: v.string(),
  source: v.picklist(templateSources),
  publishedVersion: v.optional(count),
  latestVersion: v.optional(count),
  createdAt: v.optional(time),
  updatedAt: v.optional(time),
};

/**
 * `publishedVersion`: absent if no email may name it. A built-in template that nothing replaces has
 * no versions.
 */
export const templateSummary = named("TemplateSummary", summary);
export type TemplateSummary = v.InferOutput<typeof templateSummary>;

const content = {
  subject: v.string(),
  html: v.string(),
  text: v.optional(v.string()),
  layout: v.boolean(),
  example: record(v.string(), v.unknown()),
  fields: v.array(v.string()),
};

const versionHead = {
  version: count,
  subject: v.string(),
  author: v.string(),
  createdAt: time,
};

/** `version`: whose content it is, the published one or else the latest. */
export const templateSchema = named("Template", {
  ...summary,
  version: v.optional(count),
  ...content,
  versions: v.array(named("TemplateVersionSummary", versionHead)),
});
export type TemplateAnswer = v.InferOutput<typeof templateSchema>;

/** `fields`: the paths of the data that it uses. */
export const versionSchema = named("TemplateVersion", { ...versionHead, ...content });
export type VersionAnswer = v.InferOutput<typeof versionSchema>;

/** `fields`: of the version that was stored. */
export const savedSchema = named("TemplateSaved", {
  ...summary,
  version: count,
  fields: v.array(v.string()),
});
export type SavedAnswer = v.InferOutput<typeof savedSchema>;

const publish = v.optional(v.boolean("must be true or false"), false);

export const newVersion = named("NewTemplateVersion", { ...draftEntries, publish });
export const newTemplate = named("NewTemplate", {
  name: templateName,
  ...draftEntries,
  publish,
});

const data = v.optional(record(v.string(), v.unknown()));

/** `data`: instead of the example. */
export const previewedDraft = named("PreviewedTemplate", { ...draftEntries, data });

export const rendered = named("RenderedTemplate", {
  subject: v.string(),
  html: v.string(),
  text: v.optional(v.string()),
  fields: v.array(v.string()),
});

/** `version`: the published one by default, or else the latest. */
export const previewQuery = v.strictObject({
  format: v.optional(
    v.picklist(["html", "text", "json"], 'must be "html", "text" or "json"'),
    "html",
  ),
  version: v.optional(asNumber),
});

/** `to`: the address of the account by default. */
export const testedTemplate = named("TestedTemplate", {
  to: v.optional(mailboxText),
  version: v.optional(v.pipe(v.number("must be a number"), v.integer("must be a whole number"))),
  data,
});

export const testAnswer = v.strictObject({
  id: v.string(),
  status: v.picklist(["scheduled", "queued"]),
});
