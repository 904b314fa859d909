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

const tag = "emails";
const write = ["unavailable", "outcome-unknown"] as const;

export const listOwnTemplates = operation({
  id: "listOwnTemplates",
  method: "GET",
  path: "/api/templates",
  access: "caller",
  tag,
  summary:
    "The templates that the caller's emails may name, in the order of their names: own, shared " +
    "and built-in ones.",
  answers: { 200: v.strictObject({ items: v.array(templateSummary) }) },
  problems: ["unavailable"],
});

export const createOwnTemplate = operation({
  id: "createOwnTemplate",
  method: "POST",
  path: "/api/templates",
  access: "mailer",
  tag,
  summary:
    "Create a template of the caller. It counts before a shared or built-in one of its name.",
  idempotent: true,
  body: newTemplate,
  answers: { 201: savedSchema },
  problems: ["conflict", "wrong-state", "idempotency-key-reused", ...write],
});

export const getOwnTemplate = operation({
  id: "getOwnTemplate",
  method: "GET",
  path: "/api/templates/:name",
  access: "caller",
  tag,
  summary: "A template of the caller: its published version, else the latest, and its versions.",
  params: templateParams,
  answers: { 200: templateSchema },
  problems: ["unavailable"],
});

export const deleteOwnTemplate = operation({
  id: "deleteOwnTemplate",
  method: "DELETE",
  path: "/api/templates/:name",
  access: "caller",
  tag,
  summary:
    "Delete a template of the caller with its versions. Emails accepted with it still leave.",
  params: templateParams,
  answers: { 204: null },
  problems: [...write],
});

export const addOwnTemplateVersion = operation({
  id: "addOwnTemplateVersion",
  method: "POST",
  path: "/api/templates/:name/versions",
  access: "mailer",
  tag,
  summary: "Store the next version of a template of the caller.",
  params: templateParams,
  idempotent: true,
  body: newVersion,
  answers: { 201: savedSchema },
  problems: ["wrong-state", "idempotency-key-reused", ...write],
});

export const getOwnTemplateVersion = operation({
  id: "getOwnTemplateVersion",
  method: "GET",
  path: "/api/templates/:name/versions/:version",
  access: "caller",
  tag,
  summary: "A version of a template of the caller.",
  params: versionParams,
  answers: { 200: versionSchema },
  problems: ["unavailable"],
});

export const publishOwnTemplateVersion = operation({
  id: "publishOwnTemplateVersion",
  method: "POST",
  path: "/api/templates/:name/versions/:version/publish",
  access: "mailer",
  tag,
  summary: "Publish a version, also an older one: the caller's emails get it from now on.",
  params: versionParams,
  answers: { 200: templateSummary },
  problems: [...write],
});

export const previewOwnTemplate = operation({
  id: "previewOwnTemplate",
  method: "GET",
  path: "/api/templates/:name/preview",
  access: "caller",
  tag,
  summary: "A template of the caller with its example, as HTML, text or JSON.",
  params: templateParams,
  query: previewQuery,
  answers: { 200: { mediaType: "text/html" } },
  problems: ["unavailable"],
});

export const previewOwnTemplateDraft = operation({
  id: "previewOwnTemplateDraft",
  method: "POST",
  path: "/api/templates/:name/preview",
  access: "caller",
  tag,
  summary: "Fill a version that is not stored with data, or with its example.",
  params: templateParams,
  body: previewedDraft,
  answers: { 200: rendered },
  problems: [],
});

export const testOwnTemplate = operation({
  id: "testOwnTemplate",
  method: "POST",
  path: "/api/templates/:name/test",
  access: "mailer",
  tag,
  summary:
    "Send a version, filled with data or with its example, to the address of the account or to " +
    "another one.",
  params: templateParams,
  body: testedTemplate,
  idempotent: true,
  answers: { 202: testAnswer },
  problems: ["suppressed", "daily-limit", "idempotency-key-reused", "misconfigured", ...write],
});
