import * as v from "valibot";
import { ok, type Result } from "../lib/base/result.ts";
import {
  loopback,
  readVariables,
  required,
  signingKey,
  token,
  wholeNumber,
  type Misconfigured,
  type VariablesOf,
} from "../lib/worker/variables.ts";
import type { AutomaticEmailVariables } from "./automatic-emails.ts";
import { brandOf, DEFAULT_NAME, type BrandVariables } from "./brand.ts";
import type { DailyLimitVariables } from "./daily-limits.ts";
import type { FeedbackVariables } from "./feedback-settings.ts";
import { formatMailbox, mailbox } from "./rules/address.ts";
import type { RetryPolicy } from "./rules/retry-policy.ts";
import {
  byTransport,
  transportNames,
  transports,
  type SettingsOf,
  type TransportName,
  type TransportVariables,
} from "./rules/transports.ts";
import type { WaitLimits } from "./rules/waits.ts";
import type { UnsubscribeSettings } from "./unsubscribe.ts";

const senderVariables = v.object({ EMAIL_FROM: v.pipe(required, mailbox) });

const retryVariables = v.object({
  EMAIL_MAX_RETRIES: wholeNumber(3, 0, 20),
  EMAIL_BASE_DELAY_SECONDS: wholeNumber(1, 1, 3_600),
  EMAIL_MAX_DELAY_SECONDS: wholeNumber(60, 1, 43_200),
});

const waitVariables = v.object({
  EMAIL_RETRY_WINDOW_HOURS: wholeNumber(24, 0, 720),
  EMAIL_MAX_WAIT_HOURS: wholeNumber(120, 0, 720),
});
const HOUR_MS = 3_600_000;

/** How long dead letters are kept, in days, unless `DLQ_RETENTION_DAYS` sets another time. */
export const defaultRetentionDays = 7;
const deadLetterVariables = v.object({
  DLQ_RETENTION_DAYS: wholeNumber(defaultRetentionDays, 1, 365),
});

const publicUrlVariables = v.object({
  PUBLIC_URL: v.pipe(
    required,
    v.url("must be a URL such as https://api.example.com"),
    v.regex(/^https?:\/\/[^/?#]+\/?$/, "must be a URL without a path"),
    v.transform((url) => url.replace(/\/$/, "")),
  ),
});

const unsubscribeVariables = v.object({
  ...publicUrlVariables.entries,
  UNSUBSCRIBE_SECRET: token,
});

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

const rateVariables = v.object(
  Object.fromEntries(
    Object.values(transports).map(({ rate: { variable, perSecond } }) => [
      variable,
      wholeNumber(perSecond, 0, 10_000),
    ]),
  ),
);

const topicVariables = v.object({
  SES_TOPIC_ARN: v.pipe(
    required,
    v.regex(
      /^arn:aws[\w-]*:sns:[a-z\d-]+:\d{12}:[\w-]{1,256}$/,
      "must be the ARN of a topic of SNS",
    ),
  ),
});

const webhookVariables = v.object({
  WEBHOOK_SECRET_RESEND: v.pipe(
    required,
    v.regex(signingKey, 'must be the signing secret of the webhook, "whsec_..."'),
  ),
});

/** The name of the resolver 1.1.1.1: a Worker reaches no bare IP address. */
const CLOUDFLARE_RESOLVER = "https://cloudflare-dns.com/dns-query";

const dnsVariables = v.object({
  DNS_OVER_HTTPS_URL: v.optional(
    v.pipe(
      v.string(),
      v.check(isResolver, "must be an https URL such as https://cloudflare-dns.com/dns-query"),
    ),
    CLOUDFLARE_RESOLVER,
  ),
});

/** Plain HTTP only where nobody listens on the way. */
function isResolver(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === "https:" || (protocol === "http:" && loopback.test(hostname));
}

export type EmailVariables = AutomaticEmailVariables &
  DailyLimitVariables &
  BrandVariables &
  FeedbackVariables &
  VariablesOf<typeof senderVariables> &
  VariablesOf<typeof retryVariables> &
  VariablesOf<typeof waitVariables> &
  VariablesOf<typeof deadLetterVariables> &
  VariablesOf<typeof unsubscribeVariables> &
  VariablesOf<typeof dnsVariables> &
  VariablesOf<typeof transportVariables> &
  TransportVariables &
  VariablesOf<typeof topicVariables> &
  VariablesOf<typeof webhookVariables>;

/** How often and how fast a refused email is tried again. */
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

/** How long an email waits for what it did not cause. */
export function waitLimits(
  env: VariablesOf<typeof waitVariables>,
): Result<WaitLimits, Misconfigured> {
  const variables = readVariables(waitVariables, env);
  if (!variables.ok) return variables;
  const { EMAIL_RETRY_WINDOW_HOURS: window, EMAIL_MAX_WAIT_HOURS: max } = variables.value;
  return ok({ retryWindowMs: window * HOUR_MS, maxWaitMs: max * HOUR_MS });
}

/** Where the API is reached. */
export function publicUrl(
  env: VariablesOf<typeof publicUrlVariables>,
): Result<string, Misconfigured> {
  const variables = readVariables(publicUrlVariables, env);
  return variables.ok ? ok(variables.value.PUBLIC_URL) : variables;
}

/** What signs the links by which people unsubscribe, and where those lead. */
export function unsubscribeSettings(
  env: VariablesOf<typeof unsubscribeVariables>,
): Result<UnsubscribeSettings, Misconfigured> {
  const variables = readVariables(unsubscribeVariables, env);
  if (!variables.ok) return variables;
  return ok({ publicUrl: variables.value.PUBLIC_URL, secret: variables.value.UNSUBSCRIBE_SECRET });
}

/** The resolver that is asked for the records which verify domains. */
export function dnsResolver(env: VariablesOf<typeof dnsVariables>): Result<string, Misconfigured> {
  const variables = readVariables(dnsVariables, env);
  return variables.ok ? ok(variables.value.DNS_OVER_HTTPS_URL) : variables;
}

/** Which transports take emails, in the order in which they are tried. */
export function emailTransports(
  env: VariablesOf<typeof transportVariables>,
): Result<TransportName[], Misconfigured> {
  const variables = readVariables(transportVariables, env);
  return variables.ok ? ok(variables.value.EMAIL_TRANSPORTS) : variables;
}

/** The settings of one transport. */
export function transportSettings<Name extends TransportName>(
  env: TransportVariables,
  name: Name,
): Result<SettingsOf<Name>, Misconfigured> {
  return transports[name].readSettings(env) as Result<SettingsOf<Name>, Misconfigured>;
}

/** How fast the fleet hands emails over, in milliseconds per email; null for no limit. */
export function transportRates(
  env: TransportVariables,
): Result<Record<TransportName, number | null>, Misconfigured> {
  const variables = readVariables(rateVariables, env);
  if (!variables.ok) return variables;
  return ok(
    byTransport(({ rate: { variable } }) => {
      const perSecond = variables.value[variable] ?? 0;
      return perSecond === 0 ? null : 1_000 / perSecond;
    }),
  );
}

/** What signs the feedback of a provider. */
export function resendWebhookSecret(
  env: VariablesOf<typeof webhookVariables>,
): Result<string, Misconfigured> {
  const variables = readVariables(webhookVariables, env);
  return variables.ok ? ok(variables.value.WEBHOOK_SECRET_RESEND) : variables;
}

/** The topic of Amazon SNS that brings the events of SES. */
export function sesTopic(env: VariablesOf<typeof topicVariables>): Result<string, Misconfigured> {
  const variables = readVariables(topicVariables, env);
  return variables.ok ? ok(variables.value.SES_TOPIC_ARN) : variables;
}

/** How long dead letters are kept. */
export function deadLetterRetentionDays(
  env: VariablesOf<typeof deadLetterVariables>,
): Result<number, Misconfigured> {
  const variables = readVariables(deadLetterVariables, env);
  return variables.ok ? ok(variables.value.DLQ_RETENTION_DAYS) : variables;
}

/** The sender of every email. A bare address gets the name of the product, if that is set. */
export function sender(
  env: VariablesOf<typeof senderVariables> & BrandVariables,
): Result<string, Misconfigured> {
  const variables = readVariables(senderVariables, env);
  if (!variables.ok) return variables;
  const { name, address } = variables.value.EMAIL_FROM;
  const product = brandOf(env).name;
  const unnamed = product === DEFAULT_NAME ? "" : product;
  return ok(formatMailbox({ name: name === "" ? unnamed : name, address }));
}
