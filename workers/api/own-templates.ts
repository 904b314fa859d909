import { readDatabase } from "../../shared/database/read.ts";
import { SHARED } from "../../shared/email/rules/shared-tenant.ts";
import { findTemplates } from "../../shared/email/sql/template-reads.ts";
import { templateNames } from "../../shared/email/templates/templates.ts";
import { fail } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";
import { actorOf, json, noContent, tenantOf, type Caller, type Handler } from "./call.ts";
import * as stored from "./stored-templates.ts";
import { sendTest, showDraft, showVersion } from "./template-previews.ts";

/** Templates of the caller. One of another tenant is answered like one that does not exist. */

type Call = { env: ApiEnv; caller: Caller };
const own = ({ env, caller }: Call): stored.Owner => ({
  env,
  tenant: tenantOf(caller),
  source: "own",
  path: "/api/templates",
});

export const listOwnTemplates: Handler<"listOwnTemplates"> = async ({ env, caller }) => {
  const tenant = tenantOf(caller);
  const found = await readDatabase(env, () => findTemplates(env.DB, [tenant, SHARED]));
  if (!found.ok) return found;
  const mine = found.value.filter((one) => one.tenant === tenant);
  const others = found.value.filter(
    (one) => one.tenant === SHARED && one.publishedVersion !== null,
  );
  const counts = new Set(
    mine.filter((one) => one.publishedVersion !== null).map(({ name }) => name),
  );
  const shared = others.filter(({ name }) => !counts.has(name));
  const stands = new Set([...counts, ...shared.map(({ name }) => name)]);
  const items = [
    ...mine.map((one) => stored.summaryOf(one, "own")),
    ...shared.map((one) => stored.summaryOf(one, "shared")),
    ...templateNames
      .filter((name) => !stands.has(name))
      .map((name) => ({ name, source: "built-in" as const })),
  ];
  return json({ items: items.toSorted((one, other) => (one.name < other.name ? -1 : 1)) });
};

export const createOwnTemplate: Handler<"createOwnTemplate"> = async (call) => {
  const {
    body: { name, ...version },
    caller,
  } = call;
  const target = { name, author: actorOf(caller), of: "new" as const };
  return await stored.createVersion(own(call), target, version, call);
};

export const getOwnTemplate: Handler<"getOwnTemplate"> = async (call) => {
  const found = await stored.readTemplate(own(call), call.params.name);
  return found.ok ? json(found.value) : found;
};

export const deleteOwnTemplate: Handler<"deleteOwnTemplate"> = async (call) => {
  const gone = await stored.remove(own(call), call.params.name, call.now);
  return gone.ok ? noContent() : gone;
};

export const addOwnTemplateVersion: Handler<"addOwnTemplateVersion"> = async (call) => {
  const {
    params: { name },
    body,
    caller,
  } = call;
  const target = { name, author: actorOf(caller), of: "existing" as const };
  return await stored.createVersion(own(call), target, body, call);
};

export const getOwnTemplateVersion: Handler<"getOwnTemplateVersion"> = async (call) => {
  const { name, version } = call.params;
  const found = await stored.readVersion(own(call), name, Number(version));
  return found.ok ? json(found.value) : found;
};

export const publishOwnTemplateVersion: Handler<"publishOwnTemplateVersion"> = async (call) => {
  const {
    params: { name, version },
    now,
  } = call;
  const published = await stored.publishStored(own(call), name, Number(version), now);
  return published.ok ? json(published.value) : published;
};

export const previewOwnTemplate: Handler<"previewOwnTemplate"> = async (call) =>
  showVersion(own(call), call.params.name, call.query);

export const previewOwnTemplateDraft: Handler<"previewOwnTemplateDraft"> = async (call) =>
  showDraft(own(call), call.params.name, call.body);

/** Undefined: an operator, or a team, has none. */
const addressOf = (caller: Caller): string | undefined =>
  caller.role === "tenant" && caller.of === "user" ? caller.user.email : undefined;

export const testOwnTemplate: Handler<"testOwnTemplate"> = async (call) => {
  const {
    params: { name },
    body: { to: given, ...test },
    caller,
    idempotencyKey,
    now,
  } = call;
  const to = given ?? addressOf(caller);
  if (to === undefined)
    return fail({ tag: "invalid", errors: [{ path: "to", message: "is required" }] });
  return await sendTest(own(call), caller, { ...test, name, to, idempotencyKey }, now);
};
