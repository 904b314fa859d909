import * as v from "valibot";
import { address } from "../email/rules/address.ts";
import { ok, type Result } from "../lib/base/result.ts";
import {
  loopback,
  readVariables,
  signingKey,
  wholeNumber,
  type Misconfigured,
  type VariablesOf,
} from "../lib/worker/variables.ts";
import { severities, type Severity } from "./rules/severity.ts";
import type { Channel } from "./sql/alerts.ts";

/**
 * Who is notified, from how many failures on, and for how long a condition must not hold before its
 * alert is over. A channel is null if it is not used. `least`: from which severity on each channel
 * is notified. Each of the secrets signs the webhook.
 */
export type AlertSettings = {
  failures: number;
  recoveryMs: number;
  email: string | null;
  webhookUrl: string | null;
  webhookSecrets: string[];
  least: Record<Channel, Severity>;
};

const DEFAULT_FAILURES = 3;
const failures = v.object({ ALERT_FAILURES: wholeNumber(DEFAULT_FAILURES, 1, 100) });
const DEFAULT_RECOVERY_MINUTES = 5;
const recovery = v.object({
  ALERT_RECOVERY_MINUTES: wholeNumber(DEFAULT_RECOVERY_MINUTES, 0, 60),
});
const MINUTE_MS = 60_000;
const email = v.object({
  ALERT_EMAIL: v.optional(v.union([v.literal(""), address], "must be one plain email address"), ""),
});
const webhook = v.pipe(
  v.object({
    ALERT_WEBHOOK_URL: v.optional(
      v.union([v.literal(""), v.pipe(v.string(), v.url())], "must be a URL"),
      "",
    ),
  }),
  v.forward(
    v.check(
      ({ ALERT_WEBHOOK_URL: url }) => url === "" || isSafe(new URL(url)),
      "must be https, except on loopback",
    ),
    ["ALERT_WEBHOOK_URL"],
  ),
);

const secret = v.object({
  ALERT_WEBHOOK_SECRET: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) => text.split(" ").filter((one) => one !== "")),
      v.everyItem(
        (one) => signingKey.test(one),
        'must be "whsec_..." with base64 of at least 18 bytes, or several separated by spaces',
      ),
    ),
    "",
  ),
});

const least = v.picklist(severities, `must be ${severities.join(" or ")}`);
const emailSeverity = v.object({ ALERT_EMAIL_SEVERITY: v.optional(least, "ticket") });
const webhookSeverity = v.object({ ALERT_WEBHOOK_SEVERITY: v.optional(least, "ticket") });

const isSafe = ({ protocol, hostname }: URL): boolean =>
  protocol === "https:" || (protocol === "http:" && loopback.test(hostname));

export type AlertVariables = VariablesOf<typeof failures> &
  VariablesOf<typeof recovery> &
  VariablesOf<typeof email> &
  VariablesOf<typeof webhook> &
  VariablesOf<typeof secret> &
  VariablesOf<typeof emailSeverity> &
  VariablesOf<typeof webhookSeverity>;

/**
 * The valid settings. An invalid one must not silence the other channels: it gets its default and
 * is listed in `wrong`.
 */
export function alertSettings(env: AlertVariables): AlertSettings & { wrong: Misconfigured[] } {
  const read = [
    readVariables(failures, env),
    readVariables(recovery, env),
    readVariables(email, env),
    readVariables(webhook, env),
    readVariables(secret, env),
    readVariables(emailSeverity, env),
    readVariables(webhookSeverity, env),
  ] as const;
  const [count, minutes, to, url, signing, emailFrom, webhookFrom] = read;
  return {
    failures: count.ok ? count.value.ALERT_FAILURES : DEFAULT_FAILURES,
    recoveryMs:
      MINUTE_MS * (minutes.ok ? minutes.value.ALERT_RECOVERY_MINUTES : DEFAULT_RECOVERY_MINUTES),
    email: to.ok && to.value.ALERT_EMAIL !== "" ? to.value.ALERT_EMAIL : null,
    webhookUrl: url.ok && url.value.ALERT_WEBHOOK_URL !== "" ? url.value.ALERT_WEBHOOK_URL : null,
    webhookSecrets: signing.ok ? signing.value.ALERT_WEBHOOK_SECRET : [],
    least: {
      email: emailFrom.ok ? emailFrom.value.ALERT_EMAIL_SEVERITY : "ticket",
      webhook: webhookFrom.ok ? webhookFrom.value.ALERT_WEBHOOK_SEVERITY : "ticket",
    },
    wrong: read.flatMap((one) => (one.ok ? [] : [one.error])),
  };
}

/** The names of the channels that are configured. */
export function alertChannelNames(env: AlertVariables): Channel[] {
  const { email: to, webhookUrl } = alertSettings(env);
  return [
    ...(to === null ? [] : ["email" as const]),
    ...(webhookUrl === null ? [] : ["webhook" as const]),
  ];
}

/** For the start and for deployments, which stop at the first invalid setting. */
export function checkAlertSettings(env: AlertVariables): Result<null, Misconfigured> {
  const [wrong] = alertSettings(env).wrong;
  return wrong === undefined ? ok(null) : { ok: false, error: wrong };
}
