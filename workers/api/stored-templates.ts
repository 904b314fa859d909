import type {
  SavedAnswer,
  TemplateAnswer,
  TemplateSummary,
  VersionAnswer,
} from "../../shared/contract/template-schemas.ts";
import type { KeyedRequest } from "../../shared/database/answered-requests.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { brandOf } from "../../shared/email/brand.ts";
import * as reads from "../../shared/email/sql/template-reads.ts";
import * as store from "../../shared/email/sql/templates.ts";
import { checkDraft, draftOf, fieldsOf, type Draft } from "../../shared/email/templates/draft.ts";
import type { TemplateSource } from "../../shared/email/templates/rules/choice.ts";
import { publishedKey } from "../../shared/email/templates/rules/keys.ts";
import { builtIn, isBuiltIn } from "../../shared/email/templates/templates.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { newUuidV7 } from "../../shared/lib/base/uuid.ts";
import type { ApiEnv } from "../env.ts";
import { json } from "./call.ts";
import { createOnce, keyedRequest, readAgain, type Keyable } from "./keyed.ts";
import { withPurge } from "./purging.ts";

/** What the handlers of shared templates and of tenants' templates share. */

/** Whose templates a request is about. */
export type Owner = {
  env: ApiEnv;
  tenant: string;
  source: "own" | "shared";
  /** Of the list. */
  path: string;
};

const noTemplate: Failure = { tag: "not-found", what: "template" };
const noVersion: Failure = { tag: "not-found", what: "version" };

const time = (at: number): string => new Date(at).toISOString();

export function summaryOf(
  { name, publishedVersion, latestVersion, createdAt, updatedAt }: store.StoredTemplate,
  source: TemplateSource,
): TemplateSummary {
  return {
    name,
    source,
    ...(publishedVersion !== null && { publishedVersion }),
    latestVersion,
    createdAt: time(createdAt),
    updatedAt: time(updatedAt),
  };
}

const contentOf = ({ env }: Owner, draft: Draft) => {
  const { subject, html, text, layout } = draft.content;
  return {
    subject,
    html,
    ...(text !== null && { text }),
    layout,
    example: draft.example,
    fields: fieldsOf(draft, brandOf(env)),
  };
};

/** A built-in template as a version of its own would be. */
function builtInDraft(name: string): Draft | null {
  if (!isBuiltIn(name)) return null;
  const { subject, html, text } = builtIn(name);
  return draftOf(name, { subject, html, text, layout: false });
}

type NewDraft = Parameters<typeof draftOf>[1] & { publish: boolean };
/** `of`: whether it is the first version of a template. */
type Target = { name: string; author: string; of: "new" | "existing" };

/** Checks a version and stores it, once per Idempotency-Key. */
export async function createVersion(
  owner: Owner,
  { name, author, of }: Target,
  given: NewDraft,
  call: Keyable & { now: number },
): Promise<Result<Response, Failure>> {
  const { env, source, path } = owner;
  const draft = draftOf(name, given);
  const errors = checkDraft(name, draft, brandOf(env));
  if (errors.length > 0) return fail({ tag: "invalid", errors });
  const keyed = await keyedRequest(call, { name, ...given });
  const answerOf = ({ template, version }: Saved): Result<Response, Failure> => {
    const fields = fieldsOf(draft, brandOf(env));
    const answer: SavedAnswer = { ...summaryOf(template, source), version, fields };
    const at = `${path}/${name}${of === "new" ? "" : `/versions/${version}`}`;
    return json(answer, { status: 201, headers: { Location: at } });
  };
  return await createOnce({ env, now: call.now }, keyed, {
    create: async () => {
      const version = { name, author, publish: given.publish, ...draft };
      const saved = await saveVersion(owner, version, of, { now: call.now, keyed });
      return saved.ok ? answerOf(saved.value) : saved;
    },
    again: (id) =>
      readAgain(
        env,
        async () => {
          const found = await store.findSavedVersion(env.DB, id);
          return found?.tag === "saved" ? found : null;
        },
        answerOf,
      ),
  });
}

type Saved = Extract<store.VersionSaved, { tag: "saved" }>;

async function saveVersion(
  { env, tenant }: Owner,
  draft: Omit<store.NewVersion, "id" | "tenant">,
  of: Target["of"],
  { now, keyed }: { now: number; keyed: KeyedRequest | null },
): Promise<Result<Saved, Failure>> {
  const id = `tpl_${newUuidV7(now, 0).replaceAll("-", "")}`;
  const version = { id, tenant, ...draft };
  const saved = await withPurge(env, [publishedKey(tenant)], (purgeId) =>
    writeDatabase(
      () => store.insertVersion(env.DB, version, of, { purgeId, now, keyed }),
      () => store.findSavedVersion(env.DB, id),
    ),
  );
  if (!saved.ok) return saved;
  switch (saved.value.tag) {
    case "saved":
      return ok(saved.value);
    case "absent":
      return fail(noTemplate);
    case "taken":
      return fail({ tag: "conflict", field: "name" });
    case "no-tenant":
      return fail({ tag: "unauthenticated" });
    case "full":
      return fail({ tag: "wrong-state", detail: tooMuch });
  }
}

const tooMuch =
  `A tenant has at most ${store.MAX_TEMPLATES} templates, and ` +
  `${store.MAX_BYTES / 1_000_000} MB with all their versions. Delete one.`;

export async function readTemplate(
  owner: Owner,
  name: string,
): Promise<Result<TemplateAnswer, Failure>> {
  const { env, tenant, source } = owner;
  const read = await readDatabase(env, async () => {
    const found = await reads.findTemplate(env.DB, { tenant, name });
    if (found === null) return null;
    const content = await reads.findVersion(env.DB, { tenant, name }, null);
    return content === null ? null : { ...found, content };
  });
  if (!read.ok) return read;
  if (read.value === null) {
    const draft = source === "shared" ? builtInDraft(name) : null;
    return draft === null
      ? fail(noTemplate)
      : ok({ name, source: "built-in", ...contentOf(owner, draft), versions: [] });
  }
  const { template, versions, content } = read.value;
  return ok({
    ...summaryOf(template, source),
    version: content.version,
    ...contentOf(owner, content),
    versions: versions.map((one) => ({ ...one, createdAt: time(one.createdAt) })),
  });
}

export async function readVersion(
  owner: Owner,
  name: string,
  version: number,
): Promise<Result<VersionAnswer, Failure>> {
  const found = await findVersion(owner, name, version);
  if (!found.ok) return found;
  const { author, createdAt } = found.value;
  return ok({ version, author, createdAt: time(createdAt), ...contentOf(owner, found.value) });
}

async function findVersion(
  { env, tenant }: Owner,
  name: string,
  version: number | null,
): Promise<Result<reads.StoredVersion, Failure>> {
  const key = { tenant, name };
  const found = await readDatabase(env, () => reads.findVersion(env.DB, key, version));
  if (!found.ok) return found;
  return found.value === null ? fail(version === null ? noTemplate : noVersion) : ok(found.value);
}

/** @param version undefined for the published one, or else the latest or the built-in one */
export async function findDraft(
  owner: Owner,
  name: string,
  version: number | undefined,
): Promise<Result<Draft & { version?: number }, Failure>> {
  const found = await findVersion(owner, name, version ?? null);
  if (found.ok) return found;
  const standard =
    version === undefined && owner.source === "shared" && found.error.tag === "not-found"
      ? builtInDraft(name)
      : null;
  return standard === null ? found : ok(standard);
}

/** Writing it twice has the effect of writing it once. */
export async function publishStored(
  { env, tenant, source }: Owner,
  name: string,
  version: number,
  now: number,
): Promise<Result<TemplateSummary, Failure>> {
  // Without a version of its own, the built-in one counts again.
  if (version === 0 && (source === "own" || !isBuiltIn(name))) return fail(noVersion);
  const published = await withPurge(env, [publishedKey(tenant)], (purgeId) => {
    const write = () => store.publishVersion(env.DB, { tenant, name }, version, { purgeId, now });
    return writeDatabase(write, async () => {
      const found = await reads.findTemplate(env.DB, { tenant, name });
      return found?.template.publishedVersion === (version === 0 ? null : version)
        ? found.template
        : null;
    });
  });
  if (!published.ok) return published;
  return published.value === null ? fail(noVersion) : ok(summaryOf(published.value, source));
}

export async function remove(
  { env, tenant }: Owner,
  name: string,
  now: number,
): Promise<Result<null, Failure>> {
  const gone = await withPurge(env, [publishedKey(tenant)], (purgeId) =>
    writeDatabase(() => store.deleteTemplateRows(env.DB, { tenant, name }, { purgeId, now })),
  );
  if (!gone.ok) return gone;
  return gone.value ? ok(null) : fail(noTemplate);
}
