import { readDatabase } from "../../shared/database/read.ts";
import { SHARED } from "../../shared/email/rules/shared-tenant.ts";
import { findTemplates } from "../../shared/email/sql/template-reads.ts";
import { templateNames } from "../../shared/email/templates/templates.ts";
import { fail } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";
import { json, noContent, type Handler } from "./call.ts";
import * as stored from "./stored-templates.ts";
import { sendTest, showDraft, showVersion } from "./template-previews.ts";

/** Templates that each tenant may name: shared ones, and built-in ones. */

const shared = (env: ApiEnv): stored.Owner => ({
  env,
  tenant: SHARED,
  source: "shared",
  path: "/api/admin/email/templates",
});

export const listTemplates: Handler<"listTemplates"> = async ({ env }) => {
  const found = await readDatabase(env, () => findTemplates(env.DB, [SHARED]));
  if (!found.ok) return found;
  const names = new Set(found.value.map(({ name }) => name));
  const items = [
    ...found.value.map((one) => stored.summaryOf(one, "shared")),
    ...templateNames
      .filter((name) => !names.has(name))
      .map((name) => ({ name, source: "built-in" as const })),
  ];
  return json({ items: items.toSorted((one, other) => (one.name < other.name ? -1 : 1)) });
};

export const createTemplate: Handler<"createTemplate"> = async (call) => {
  const {
    body: { name, ...version },
    env,
    caller,
  } = call;
  const target = { name, author: caller.actor, of: "new" as const };
  return await stored.createVersion(shared(env), target, version, call);
};

export const getTemplate: Handler<"getTemplate"> = async ({ params, env }) => {
  const found = await stored.readTemplate(shared(env), params.name);
  return found.ok ? json(found.value) : found;
};

export const deleteTemplate: Handler<"deleteTemplate"> = async ({ params, env, now }) => {
  const gone = await stored.remove(shared(env), params.name, now);
  return gone.ok ? noContent() : gone;
};

export const addTemplateVersion: Handler<"addTemplateVersion"> = async (call) => {
  const {
    params: { name },
    body,
    env,
    caller,
  } = call;
  const target = { name, author: caller.actor, of: "existing" as const };
  return await stored.createVersion(shared(env), target, body, call);
};

export const getTemplateVersion: Handler<"getTemplateVersion"> = async ({ params, env }) => {
  const found = await stored.readVersion(shared(env), params.name, Number(params.version));
  return found.ok ? json(found.value) : found;
};

export const publishTemplateVersion: Handler<"publishTemplateVersion"> = async (call) => {
  const {
    params: { name, version },
    env,
    now,
  } = call;
  const published = await stored.publishStored(shared(env), name, Number(version), now);
  return published.ok ? json(published.value) : published;
};

export const previewTemplate: Handler<"previewTemplate"> = async ({ params, query, env }) =>
  showVersion(shared(env), params.name, query);

export const previewTemplateDraft: Handler<"previewTemplateDraft"> = async (call) =>
  showDraft(shared(call.env), call.params.name, call.body);

export const testTemplate: Handler<"testTemplate"> = async (call) => {
  const {
    params: { name },
    body: { to, ...test },
    env,
    caller,
    idempotencyKey,
    now,
  } = call;
  if (to === undefined)
    return fail({ tag: "invalid", errors: [{ path: "to", message: "is required" }] });
  return await sendTest(shared(env), caller, { ...test, name, to, idempotencyKey }, now);
};
