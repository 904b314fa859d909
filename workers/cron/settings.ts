import * as v from "valibot";
import { defaultRetentionDays } from "../../shared/email/settings.ts";
import { DAY_MS } from "../../shared/lib/base/clock.ts";
import { ok, type Result } from "../../shared/lib/base/result.ts";
import {
  readVariables,
  wholeNumber,
  type Misconfigured,
  type VariablesOf,
} from "../../shared/lib/worker/variables.ts";

/** Ten years, in days. */
const MAX_DAYS = 3_660;

const retentionVariables = v.pipe(
  v.object({
    DLQ_RETENTION_DAYS: wholeNumber(defaultRetentionDays, 1, 365),
    EMAIL_CONTENT_RETENTION_DAYS: wholeNumber(14, 1, MAX_DAYS),
    // The link to unsubscribe works as long: 30 days is the least that laws ask for.
    EMAIL_RETENTION_DAYS: wholeNumber(90, 30, MAX_DAYS),
    EMAIL_UNKNOWN_RETENTION_DAYS: wholeNumber(180, 30, MAX_DAYS),
    AUDIT_RETENTION_DAYS: wholeNumber(400, 30, MAX_DAYS),
    // A month is rolled up from its days once it is over.
    USAGE_RETENTION_DAYS: wholeNumber(400, 62, MAX_DAYS),
    USAGE_MONTHLY_RETENTION_DAYS: wholeNumber(1_830, 62, MAX_DAYS),
    EXPORT_BEFORE_DELETION: v.optional(v.picklist(["on", "off"], 'must be "on" or "off"'), "off"),
  }),
  v.forward(
    v.check(
      (days) => days.EMAIL_CONTENT_RETENTION_DAYS >= days.DLQ_RETENTION_DAYS,
      "must be at least DLQ_RETENTION_DAYS: a replay needs the content",
    ),
    ["EMAIL_CONTENT_RETENTION_DAYS"],
  ),
  v.forward(
    v.check(
      (days) => days.EMAIL_RETENTION_DAYS >= days.EMAIL_CONTENT_RETENTION_DAYS,
      "must be at least EMAIL_CONTENT_RETENTION_DAYS",
    ),
    ["EMAIL_RETENTION_DAYS"],
  ),
);

export type RetentionVariables = VariablesOf<typeof retentionVariables>;

/**
 * How long what is over is kept, in milliseconds. `contentMs`, `emailMs`: after the email is over.
 * `unknownMs`: after its outcome became unknown. `isExported`: it is written to R2 before it is
 * deleted.
 */
export type Retention = {
  contentMs: number;
  emailMs: number;
  unknownMs: number;
  auditMs: number;
  usageMs: number;
  usageMonthlyMs: number;
  isExported: boolean;
};

export function retentionSettings(env: RetentionVariables): Result<Retention, Misconfigured> {
  const variables = readVariables(retentionVariables, env);
  if (!variables.ok) return variables;
  const days = variables.value;
  return ok({
    contentMs: days.EMAIL_CONTENT_RETENTION_DAYS * DAY_MS,
    emailMs: days.EMAIL_RETENTION_DAYS * DAY_MS,
    unknownMs: days.EMAIL_UNKNOWN_RETENTION_DAYS * DAY_MS,
    auditMs: days.AUDIT_RETENTION_DAYS * DAY_MS,
    usageMs: days.USAGE_RETENTION_DAYS * DAY_MS,
    usageMonthlyMs: days.USAGE_MONTHLY_RETENTION_DAYS * DAY_MS,
    isExported: days.EXPORT_BEFORE_DELETION === "on",
  });
}

/**
 * For a task that deletes.
 *
 * @throws Error with the name of a bad variable: it must not delete what should be kept
 */
export function retentionOf(env: RetentionVariables): Retention {
  const retention = retentionSettings(env);
  if (retention.ok) return retention.value;
  throw new Error(`${retention.error.variable} ${retention.error.message}`);
}
