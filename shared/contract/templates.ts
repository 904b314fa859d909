import * as v from "valibot";
import { operation } from "./operation.ts";
import {
  newTemplate,
  newVersion,
  previewedDraft,
  previewQuery,
  rendered,
  savedSchema,
  templateParams,
  templateSchema,
  templateSummary,
  testAnswer,
  testedTemplate,
  versionParams,
  versionSchema,
} from "./template-schemas.ts";

const tag = "operations";
const write = ["unavailable", "outcome-unknown"] as const;

export const listTemplates = operation({
  id: "listTemplates",
  method: "GET",
  path: "/api/admin/email/templates",
  access: "viewer",
  tag,
  summary: "The shared and the built-in templates, in the order of their names.",
  answers: { 200: v.strictObject({ items: v.array(templateSummary) }) },
  problems: ["unavailable"],
});

export const createTemplate = operation({
  id: "createTemplate",
  method: "POST",
  path: "/api/admin/email/templates",
  access: "admin",
  tag,
  summary:
    "Create a template that each tenant may name, or replace the built-in one of that name. " +
    "No email gets it until a version is published.",
  idempotent: true,
  body: newTemplate,
  answers: { 201: savedSchema },
  problems: ["conflict", "wrong-state", "idempotency-key-reused", ...write],
});

export const getTemplate = operation({
  id: "getTemplate",
  method: "GET",
  path: "/api/admin/email/templates/:name",
  access: "viewer",
  tag,
  summary:
    "A shared or built-in template: its published version, else the latest, and the list of " +
    "its versions.",
  params: templateParams,
  answers: { 200: templateSchema },
  problems: ["unavailable"],
});

export const deleteTemplate = operation({
  id: "deleteTemplate",
  method: "DELETE",
  path: "/api/admin/email/templates/:name",
  access: "admin",
  tag,
  summary:
    "Delete a shared template with its versions. Emails that were accepted with it still leave.",
  params: templateParams,
  answers: { 204: null },
  problems: [...write],
});

export const addTemplateVersion = operation({
  id: "addTemplateVersion",
  method: "POST",
  path: "/api/admin/email/templates/:name/versions",
  access: "admin",
  tag,
  summary: "Store the next version of a shared template.",
  params: templateParams,
  idempotent: true,
  body: newVersion,
  answers: { 201: savedSchema },
  problems: ["wrong-state", "idempotency-key-reused", ...write],
});

export const getTemplateVersion = operation({
  id: "getTemplateVersion",
  method: "GET",
  path: "/api/admin/email/templates/:name/versions/:version",
  access: "viewer",
  tag,
  summary: "A version of a shared template.",
  params: versionParams,
  answers: { 200: versionSchema },
  problems: ["unavailable"],
});

export const publishTemplateVersion = operation({
  id: "publishTemplateVersion",
  method: "POST",
  path: "/api/admin/email/templates/:name/versions/:version/publish",
  access: "admin",
  tag,
  summary:
    "Publish a version, also an older one: emails get it from now on. Version 0 is the built-in " +
    "template.",
  params: versionParams,
  answers: { 200: templateSummary },
  problems: [...write],
});

export const previewTemplate = operation({
  id: "previewTemplate",
  method: "GET",
  path: "/api/admin/email/templates/:name/preview",
  access: "viewer",
  tag,
  summary: "A template with its example, as HTML, text or JSON.",
  params: templateParams,
  query: previewQuery,
  answers: { 200: { mediaType: "text/html" } },
  problems: ["unavailable"],
});

export const previewTemplateDraft = operation({
  id: "previewTemplateDraft",
  method: "POST",
  path: "/api/admin/email/templates/:name/preview",
  access: "viewer",
  tag,
  summary: "Fill a version that is not stored with data, or with its example.",
  params: templateParams,
  body: previewedDraft,
  answers: { 200: rendered },
  problems: [],
});

export const testTemplate = operation({
  id: "testTemplate",
  method: "POST",
  path: "/api/admin/email/templates/:name/test",
  access: "admin",
  tag,
  summary: "Send a version to an address, filled with data or with its example.",
  params: templateParams,
  body: testedTemplate,
  idempotent: true,
  answers: { 202: testAnswer },
  problems: ["suppressed", "daily-limit", "idempotency-key-reused", "misconfigured", ...write],
});
