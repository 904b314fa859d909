import { brandOf } from "../../shared/email/brand.ts";
import { automaticEmail, type NamedEmail } from "../../shared/email/templates/named.ts";
import { templatesInCache } from "../../shared/email/templates/published.ts";
import type { TemplateName } from "../../shared/email/templates/templates.ts";
import type { ApiEnv } from "../env.ts";

/** An automatic email under the brand, to be filled. */
export const automatic = (env: ApiEnv, name: TemplateName): Promise<(data: object) => NamedEmail> =>
  automaticEmail(templatesInCache(env), name, brandOf(env));

/** What a notice about an account needs. */
export const noticePorts = (env: ApiEnv, now: number) => ({
  db: env.DB,
  env,
  readTemplates: templatesInCache(env),
  now,
});
