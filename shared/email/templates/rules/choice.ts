/** Which template an email gets that names one. Pure. */

/** Whose a template is: the tenant's own, each tenant's, or one of Luna. */
export const templateSources = ["own", "shared", "built-in"] as const;
export type TemplateSource = (typeof templateSources)[number];

/** The template of an email, as it is recorded. `version`: of a stored one. */
export type UsedTemplate = { name: string; source: TemplateSource; version?: number };

/** The published versions under one name; null where there is none. */
export type Candidates<Version> = { own: Version | null; shared: Version | null };

export type TemplateChoice<Version> =
  | { source: "own" | "shared"; version: Version }
  | { source: "built-in" };

/** A tenant's own template counts before a shared one, and that before a built-in one. */
export function chooseTemplate<Version>(
  { own, shared }: Candidates<Version>,
  isBuiltIn: boolean,
): TemplateChoice<Version> | null {
  if (own !== null) return { source: "own", version: own };
  if (shared !== null) return { source: "shared", version: shared };
  return isBuiltIn ? { source: "built-in" } : null;
}
