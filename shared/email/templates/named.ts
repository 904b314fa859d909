import type { Failure } from "../../http/failure.ts";
import { fail, ok, type Result } from "../../lib/base/result.ts";
import { log } from "../../lib/worker/log.ts";
import { listFields, type Invalid } from "../../lib/worker/validate.ts";
import type { Brand } from "../brand.ts";
import { SHARED } from "../rules/shared-tenant.ts";
import {
  fillTemplate,
  type FilledEmail,
  type PublishedTemplate,
  type TemplateContent,
} from "./compose.ts";
import { renderTemplate } from "./render.ts";
import { chooseTemplate, type Candidates, type UsedTemplate } from "./rules/choice.ts";
import {
  builtIn,
  checkBuiltInData,
  isBuiltIn,
  renderNamed,
  type TemplateName,
} from "./templates.ts";

/** What is published under the names that emails use. A name without an entry has nothing. */
export type StoredTemplates = ReadonlyMap<string, Candidates<PublishedTemplate>>;

export const noTemplates: StoredTemplates = new Map();

/** Reads what is published under names, for a tenant. Without a name it asks nothing. */
export type ReadTemplates = (
  tenant: string,
  names: readonly string[],
) => Promise<Result<StoredTemplates, Extract<Failure, { tag: "circuit-open" | "unavailable" }>>>;

export type NamedEmail = FilledEmail & { template: UsedTemplate };

const none = { own: null, shared: null };

/** @returns the email of the template that the name stands for, or each field that is wrong */
export function renderStored(
  name: string,
  data: unknown,
  brand: Brand,
  stored: StoredTemplates,
): Result<NamedEmail, Invalid> {
  const choice = chooseTemplate(stored.get(name) ?? none, isBuiltIn(name));
  if (choice === null) {
    const errors = [{ path: "template", message: "is no template that is published" }];
    return fail({ tag: "invalid", errors });
  }
  if (choice.source === "built-in") {
    const rendered = renderNamed(name as TemplateName, data, brand);
    return rendered.ok
      ? ok({ ...rendered.value, template: { name, source: "built-in" } })
      : rendered;
  }
  const { source, version: published } = choice;
  const composed = composeVersion(name, published, data, brand);
  return composed.ok
    ? ok({ ...composed.value, template: { name, source, version: published.version } })
    : composed;
}

/** An email of a version. Under the name of a built-in template it takes the data of that. */
export function composeVersion(
  name: string,
  content: TemplateContent,
  data: unknown,
  brand: Brand,
): Result<FilledEmail, Invalid> {
  const checked = isBuiltIn(name) ? checkBuiltInData(name, data) : objectOf(data);
  if (!checked.ok) return checked;
  const composed = fillTemplate(content, checked.value, brand);
  return composed.ok ? composed : fail({ tag: "invalid", errors: composed.error });
}

const notAnObject = fail<Invalid>({
  tag: "invalid",
  errors: [{ path: "data", message: "must be an object" }],
});

const objectOf = (data: unknown = {}): Result<object, Invalid> =>
  typeof data === "object" && data !== null && !Array.isArray(data) ? ok(data) : notAnObject;

/**
 * An email that Luna sends of itself: of the shared template of that name, if there is one that
 * works, else of the built-in one. It is never without a text.
 */
function renderAutomatic(
  name: TemplateName,
  data: object,
  brand: Brand,
  shared: PublishedTemplate | null,
): NamedEmail {
  if (shared !== null) {
    const composed = fillTemplate(shared, data, brand);
    const template: UsedTemplate = { name, source: "shared", version: shared.version };
    if (composed.ok) return { ...composed.value, template };
    logUnusable(template, listFields(composed.error));
  }
  return {
    ...renderTemplate(builtIn(name), data, brand),
    template: { name, source: "built-in" },
  };
}

/** The automatic email of that name, to be filled. If none can be read, it is the built-in one. */
export async function automaticEmail(
  read: ReadTemplates,
  name: TemplateName,
  brand: Brand,
): Promise<(data: object) => NamedEmail> {
  const stored = await read(SHARED, [name]);
  const shared = stored.ok ? (stored.value.get(name)?.shared ?? null) : null;
  return (data) => renderAutomatic(name, data, brand, shared);
}

/** What is wrong names fields of the template, and no values. */
export function logUnusable({ name, version }: UsedTemplate, problem: string): void {
  log("error", "email_template.unusable", { template: name, version, problem });
}
