import { readFileSync } from "node:fs";
import { transportNames, transports } from "../../shared/email/rules/transports.ts";

/** Where each part names the variables that it validates. */
export const settingsFiles = [
  "workers/api/settings.ts",
  "workers/cron/settings.ts",
  "shared/accounts/settings.ts",
  "shared/alerts/settings.ts",
  "shared/database/settings.ts",
  "shared/email/automatic-emails.ts",
  "shared/email/brand.ts",
  "shared/email/daily-limits.ts",
  "shared/email/feedback-settings.ts",
  "shared/email/settings.ts",
  ...transportNames.map((name) => `shared/email/transports/rules/${name}.ts`),
  "shared/lib/cache/rules/variables.ts",
  "shared/lib/circuit-breaker/rules/variables.ts",
  "shared/lib/worker/placement.ts",
  "shared/schedule/jobs/settings.ts",
  "shared/webhooks/settings.ts",
];

/** Every variable that a schema of the settings names. */
export const validatedVariables: readonly string[] = [
  ...new Set(
    settingsFiles.flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/[ {]([A-Z][A-Z_]+): [vwrtmo]/g)].map(
        ([, name]) => name ?? "",
      ),
    ),
  ),
  ...Object.values(transports).map(({ rate }) => rate.variable),
];
