import { wrongAccountVariables, type AccountVariables } from "../shared/accounts/settings.ts";
import { alertSettings, type AlertVariables } from "../shared/alerts/settings.ts";
import { databaseLimit, type DatabaseVariables } from "../shared/database/settings.ts";
import {
  checkAutomaticEmails,
  type AutomaticEmailVariables,
} from "../shared/email/automatic-emails.ts";
import { wrongBrandVariables, type BrandVariables } from "../shared/email/brand.ts";
import type { Misconfigured } from "../shared/lib/worker/variables.ts";

type OptionalVariables = AccountVariables &
  AlertVariables &
  AutomaticEmailVariables &
  BrandVariables &
  DatabaseVariables;

/** The variables of a Worker that are invalid and have their defaults meanwhile. */
export function wrongSettings(env: OptionalVariables): Misconfigured[] {
  const automatic = checkAutomaticEmails(env);
  return [
    ...alertSettings(env).wrong,
    ...databaseLimit(env).wrong,
    ...wrongAccountVariables(env),
    ...wrongBrandVariables(env),
    ...(automatic.ok ? [] : [automatic.error]),
  ];
}
