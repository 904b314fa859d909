import * as v from "valibot";
import { ok, type Result } from "../lib/base/result.ts";
import {
  loopback,
  readVariables,
  required,
  token,
  wholeNumber,
  type Misconfigured,
  type VariablesOf,
} from "../lib/worker/variables.ts";
import { formatMailbox, mailbox } from "./rules/address.ts";
import type { RetryPolicy } from "./rules/retry-policy.ts";
import { transportNames, type TransportName } from "./rules/transports.ts";
import type { ResendSettings } from "./transports/resend.ts";
import type { SmtpSettings } from "./transports/smtp-session.ts";
import type { UnsubscribeSettings } from "./unsubscribe.ts";

const senderVariables = v.object({ EMAIL_FROM: v.pipe(required, mailbox) });

const retryVariables = v.object({
  EMAIL_MAX_RETRIES: wholeNumber(3, 0, 20),
  EMAIL_BASE_DELAY_SECONDS: wholeNumber(1, 1, 3_600),
  EMAIL_MAX_DELAY_SECONDS: wholeNumber(60, 1, 43_200),
});

const deadLetterVariables = v.object({ DLQ_RETENTION_DAYS: wholeNumber(7, 1, 365) });

const unsubscribeVariables = v.object({
  PUBLIC_URL: v.pipe(
    required,
    v.url("must be a URL such as https://api.example.com"),
    v.regex(/^https?:\/\/[^/?#]+\/?$/, "must be a URL without a path"),
    v.transform((url) => url.replace(/\/$/, "")),
  ),
  UNSUBSCRIBE_SECRET: token,
});

const smtpVariables = v.pipe(
  v.object({
    SMTP_HOST: required,
    SMTP_PORT: wholeNumber(587, 1, 65_535),
    SMTP_SECURITY: v.optional(
      v.picklist(["none", "starttls", "tls"], 'must be "none", "starttls" or "tls"'),
      "starttls",
    ),
    SMTP_USERNAME: v.optional(v.string(), ""),
    SMTP_PASSWORD: v.optional(v.string(), ""),
  }),
  v.forward(
    v.check(
      (smtp) => smtp.SMTP_SECURITY !== "none" || loopback.test(smtp.SMTP_HOST),
      '"none" is for loopback hosts only',
    ),
    ["SMTP_SECURITY"],
  ),
  v.forward(
    v.check(
      (smtp) => (smtp.SMTP_USERNAME === "") === (smtp.SMTP_PASSWORD === ""),
      "must be set together with SMTP_USERNAME",
    ),
    ["SMTP_PASSWORD"],
  ),
);

const transportVariables = v.object({
  EMAIL_TRANSPORTS: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) => text.split(",").map((name) => name.trim())),
      v.array(
        v.picklist(
          transportNames,
          `must list some of ${transportNames.join(", ")}, such as "resend,smtp"`,
        ),
      ),
      v.check((names) => new Set(names).size === names.length, "must not name a transport twice"),
    ),
    "smtp",
  ),
});

/**
 * Mails a second, of the whole fleet; 0 for no limit. Resend allows five requests a second to begin
 * with.
 */
const rateVariables = v.object({
  SMTP_RATE_PER_SECOND: wholeNumber(0, 0, 10_000),
  CLOUDFLARE_RATE_PER_SECOND: wholeNumber(0, 0, 10_000),
  RESEND_RATE_PER_SECOND: wholeNumber(5, 0, 10_000),
});

const resendVariables = v.pipe(
  v.object({
    RESEND_API_KEY: v.pipe(required, v.regex(/^[\u0021-\u007e]+$/, "must be one word")),
    RESEND_BASE_URL: v.optional(
      v.pipe(
        v.string(),
        v.url("must be a URL"),
        v.transform((url) => url.replace(/\/$/, "")),
      ),
      "https://api.resend.com",
    ),
  }),
  v.forward(
    v.check(
      ({ RESEND_BASE_URL: url }) =>
        url.startsWith("https://") || loopback.test(new URL(url).hostname),
      "must be https, but on loopback",
    ),
    ["RESEND_BASE_URL"],
  ),
);

const webhookVariables = v.object({
  WEBHOOK_SECRET_RESEND: v.pipe(
    required,
    v.regex(
      /^whsec_([A-Za-z0-9+/]{4}){6,}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
      'must be the signing secret of the webhook, "whsec_..."',
    ),
  ),
});

export type EmailVariables = VariablesOf<typeof senderVariables> &
  VariablesOf<typeof retryVariables> &
  VariablesOf<typeof deadLetterVariables> &
  VariablesOf<typeof unsubscribeVariables> &
  VariablesOf<typeof smtpVariables> &
  VariablesOf<typeof transportVariables> &
  VariablesOf<typeof rateVariables> &
  VariablesOf<typeof resendVariables> &
  VariablesOf<typeof webhookVariables>;

/** How often and how fast a refused mail is tried again. */
export function retryPolicy(
  env: VariablesOf<typeof retryVariables>,
): Result<RetryPolicy, Misconfigured> {
  const variables = readVariables(retryVariables, env);
  if (!variables.ok) return variables;
  const {
    EMAIL_MAX_RETRIES: maxRetries,
    EMAIL_BASE_DELAY_SECONDS: base,
    EMAIL_MAX_DELAY_SECONDS: max,
  } = variables.value;
  return ok({ maxRetries, baseDelayMs: base * 1_000, maxDelayMs: max * 1_000 });
}

/** What signs the links by which people unsubscribe, and where those lead. */
export function unsubscribeSettings(
  env: VariablesOf<typeof unsubscribeVariables>,
): Result<UnsubscribeSettings, Misconfigured> {
  const variables = readVariables(unsubscribeVariables, env);
  if (!variables.ok) return variables;
  return ok({ publicUrl: variables.value.PUBLIC_URL, secret: variables.value.UNSUBSCRIBE_SECRET });
}

export function smtpSettings(
  env: VariablesOf<typeof smtpVariables>,
): Result<SmtpSettings, Misconfigured> {
  const variables = readVariables(smtpVariables, env);
  if (!variables.ok) return variables;
  const {
    SMTP_HOST: host,
    SMTP_PORT: port,
    SMTP_SECURITY: security,
    SMTP_USERNAME: user,
    SMTP_PASSWORD: pass,
  } = variables.value;
  return ok({ host, port, security, credentials: user === "" ? null : { user, pass } });
}

/** Which transports take mails, in the order in which they are tried. */
export function emailTransports(
  env: VariablesOf<typeof transportVariables>,
): Result<TransportName[], Misconfigured> {
  const variables = readVariables(transportVariables, env);
  return variables.ok ? ok(variables.value.EMAIL_TRANSPORTS) : variables;
}

function everyMs(perSecond: number): number | null {
  return perSecond === 0 ? null : 1_000 / perSecond;
}

/** How fast the fleet hands mails over, in milliseconds a mail; null for no limit. */
export function transportRates(
  env: VariablesOf<typeof rateVariables>,
): Result<Record<TransportName, number | null>, Misconfigured> {
  const variables = readVariables(rateVariables, env);
  if (!variables.ok) return variables;
  return ok({
    smtp: everyMs(variables.value.SMTP_RATE_PER_SECOND),
    cloudflare: everyMs(variables.value.CLOUDFLARE_RATE_PER_SECOND),
    resend: everyMs(variables.value.RESEND_RATE_PER_SECOND),
  });
}

export function resendSettings(
  env: VariablesOf<typeof resendVariables>,
): Result<ResendSettings, Misconfigured> {
  const variables = readVariables(resendVariables, env);
  return variables.ok
    ? ok({ apiKey: variables.value.RESEND_API_KEY, baseUrl: variables.value.RESEND_BASE_URL })
    : variables;
}

/** What signs the feedback of a provider. */
export function resendWebhookSecret(
  env: VariablesOf<typeof webhookVariables>,
): Result<string, Misconfigured> {
  const variables = readVariables(webhookVariables, env);
  return variables.ok ? ok(variables.value.WEBHOOK_SECRET_RESEND) : variables;
}

/** How long dead letters are kept. */
export function deadLetterRetentionDays(
  env: VariablesOf<typeof deadLetterVariables>,
): Result<number, Misconfigured> {
  const variables = readVariables(deadLetterVariables, env);
  return variables.ok ? ok(variables.value.DLQ_RETENTION_DAYS) : variables;
}

/** The sender of every mail. */
export function sender(env: VariablesOf<typeof senderVariables>): Result<string, Misconfigured> {
  const variables = readVariables(senderVariables, env);
  return variables.ok ? ok(formatMailbox(variables.value.EMAIL_FROM)) : variables;
}
