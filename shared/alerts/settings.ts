import * as v from "valibot";
import { address } from "../email/address.ts";
import type { Variables } from "../env.ts";
import { ok, type Result } from "../result.ts";
import { loopback, readVariables, wholeNumber, type Misconfigured } from "../variables.ts";

/** Whom to tell, and from how many failures on. A channel that is not set is not used. */
export type AlertSettings = { failures: number; email: string | null; webhookUrl: string | null };

const alertVariables = v.pipe(
  v.object({
    ALERT_FAILURES: wholeNumber(3, 1, 100),
    ALERT_EMAIL: v.optional(v.union([v.literal(""), address], "must be one plain email address"), ""),
    ALERT_WEBHOOK_URL: v.optional(v.union([v.literal(""), v.pipe(v.string(), v.url())], "must be a URL"), ""),
  }),
  v.forward(
    v.check(
      ({ ALERT_WEBHOOK_URL: url }) => url === "" || url.startsWith("https://") || loopback.test(new URL(url).hostname),
      "must be https, but on loopback",
    ),
    ["ALERT_WEBHOOK_URL"],
  ),
);

export function alertSettings(env: Variables): Result<AlertSettings, Misconfigured> {
  const variables = readVariables(alertVariables, env);
  if (!variables.ok) return variables;
  const { ALERT_FAILURES: failures, ALERT_EMAIL: email, ALERT_WEBHOOK_URL: url } = variables.value;
  return ok({ failures, email: email === "" ? null : email, webhookUrl: url === "" ? null : url });
}
