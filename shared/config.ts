import * as v from "valibot";
import type { Variables } from "./env.ts";
import { defaultCacheSettings, type CacheSettings } from "./cache/settings.ts";
import { defaultSettings, type BreakerSettings } from "./circuit-breaker/settings.ts";
import { formatMailbox, mailbox } from "./email/address.ts";
import type { UnsubscribeSettings } from "./email/unsubscribe.ts";
import type { RetryPolicy } from "./email/retry-policy.ts";
import type { SmtpSettings } from "./email/transports/smtp.ts";
import type { Failure } from "./failure.ts";
import { fail, ok, type Result } from "./result.ts";

type Misconfigured = Extract<Failure, { tag: "misconfigured" }>;

const wholeNumber = (fallback: number, min: number, max: number) =>
  v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,9}$/, "must be a whole number"),
      v.transform(Number),
      v.minValue(min, `must be at least ${min}`),
      v.maxValue(max, `must be at most ${max}`),
    ),
    String(fallback),
  );

const required = v.pipe(v.optional(v.string(), ""), v.nonEmpty("is not set"));

/** Shorter tokens could be guessed. */
const token = v.pipe(required, v.minLength(32, "must have at least 32 characters"));

const authVariables = v.object({ ADMIN_TOKEN: token });

const senderVariables = v.object({ EMAIL_FROM: v.pipe(required, mailbox) });

const retryVariables = v.object({
  EMAIL_MAX_RETRIES: wholeNumber(3, 0, 20),
  EMAIL_BASE_DELAY_SECONDS: wholeNumber(1, 1, 3_600),
  EMAIL_MAX_DELAY_SECONDS: wholeNumber(60, 1, 43_200),
});

const deadLetterVariables = v.object({ DLQ_RETENTION_DAYS: wholeNumber(7, 1, 365) });

const breakerVariables = v.object({
  BREAKER_FAILURES: wholeNumber(defaultSettings.failures, 1, 10_000),
  BREAKER_FAILURE_RATIO: v.optional(
    v.pipe(v.string(), v.regex(/^(0(\.\d{1,6})?|1(\.0{1,6})?)$/, "must be a number from 0 to 1"), v.transform(Number)),
    String(defaultSettings.failureRatio),
  ),
  BREAKER_WINDOW_SECONDS: wholeNumber(defaultSettings.windowMs / 1_000, 1, 3_600),
  BREAKER_OPEN_SECONDS: wholeNumber(defaultSettings.openMs / 1_000, 1, 300),
});

const cacheVariables = v.object({
  CACHE_TTL_SECONDS: wholeNumber(defaultCacheSettings.ttlMs / 1_000, 1, 43_200),
  CACHE_STALENESS_MS: wholeNumber(defaultCacheSettings.stalenessMs, 1_000, 60_000),
  CACHE_MAX_RETRIES: wholeNumber(defaultCacheSettings.retries, 0, 3),
  CACHE_TIMEOUT_MS: wholeNumber(defaultCacheSettings.timeoutMs, 100, 10_000),
});

const unsubscribeVariables = v.object({
  PUBLIC_URL: v.pipe(
    required,
    v.url("must be a URL such as https://api.example.com"),
    v.regex(/^https?:\/\/[^/?#]+\/?$/, "must be a URL without a path"),
    v.transform((url) => url.replace(/\/$/, "")),
  ),
  UNSUBSCRIBE_SECRET: token,
});

const loopback = /^(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|localhost)$/;

const smtpVariables = v.pipe(
  v.object({
    SMTP_HOST: required,
    SMTP_PORT: wholeNumber(587, 1, 65_535),
    SMTP_SECURITY: v.optional(v.picklist(["none", "starttls", "tls"], 'must be "none", "starttls" or "tls"'), "starttls"),
    SMTP_USERNAME: v.optional(v.string(), ""),
    SMTP_PASSWORD: v.optional(v.string(), ""),
  }),
  v.forward(
    v.check((smtp) => smtp.SMTP_SECURITY !== "none" || loopback.test(smtp.SMTP_HOST), '"none" is for loopback hosts only'),
    ["SMTP_SECURITY"],
  ),
  v.forward(
    v.check((smtp) => (smtp.SMTP_USERNAME === "") === (smtp.SMTP_PASSWORD === ""), "must be set together with SMTP_USERNAME"),
    ["SMTP_PASSWORD"],
  ),
);

/**
 * Validates the variables that one part of a Worker needs, when it first needs them.
 *
 * @returns the parsed variables, or `misconfigured` with the name of the first bad one. Never its value: it may be a secret.
 */
function readVariables<Schema extends v.GenericSchema<unknown, unknown>>(
  schema: Schema,
  env: Variables,
): Result<v.InferOutput<Schema>, Misconfigured> {
  const parsed = v.safeParse(schema, env, { abortPipeEarly: true });
  if (parsed.success) return ok(parsed.output);
  const [issue] = parsed.issues;
  return fail({ tag: "misconfigured", variable: v.getDotPath(issue) ?? "unknown", message: issue.message });
}

/** How often and how fast a refused mail is tried again. */
export function retryPolicy(env: Variables): Result<RetryPolicy, Misconfigured> {
  const variables = readVariables(retryVariables, env);
  if (!variables.ok) return variables;
  const { EMAIL_MAX_RETRIES: maxRetries, EMAIL_BASE_DELAY_SECONDS: base, EMAIL_MAX_DELAY_SECONDS: max } = variables.value;
  return ok({ maxRetries, baseDelayMs: base * 1_000, maxDelayMs: max * 1_000 });
}

/** When a circuit breaker opens, and for how long. */
export function breakerSettings(env: Variables): Result<BreakerSettings, Misconfigured> {
  const variables = readVariables(breakerVariables, env);
  if (!variables.ok) return variables;
  const { BREAKER_FAILURES, BREAKER_FAILURE_RATIO, BREAKER_WINDOW_SECONDS, BREAKER_OPEN_SECONDS } = variables.value;
  return ok({
    ...defaultSettings,
    failures: BREAKER_FAILURES,
    failureRatio: BREAKER_FAILURE_RATIO,
    windowMs: BREAKER_WINDOW_SECONDS * 1_000,
    openMs: BREAKER_OPEN_SECONDS * 1_000,
  });
}

/** How the cache behaves. */
export function cacheSettings(env: Variables): Result<CacheSettings, Misconfigured> {
  const variables = readVariables(cacheVariables, env);
  if (!variables.ok) return variables;
  const { CACHE_TTL_SECONDS, CACHE_STALENESS_MS, CACHE_MAX_RETRIES, CACHE_TIMEOUT_MS } = variables.value;
  return ok({
    ttlMs: CACHE_TTL_SECONDS * 1_000,
    stalenessMs: CACHE_STALENESS_MS,
    retries: CACHE_MAX_RETRIES,
    timeoutMs: CACHE_TIMEOUT_MS,
  });
}

/** What signs the links by which people unsubscribe, and where those lead. */
export function unsubscribeSettings(env: Variables): Result<UnsubscribeSettings, Misconfigured> {
  const variables = readVariables(unsubscribeVariables, env);
  if (!variables.ok) return variables;
  return ok({ publicUrl: variables.value.PUBLIC_URL, secret: variables.value.UNSUBSCRIBE_SECRET });
}

export function smtpSettings(env: Variables): Result<SmtpSettings, Misconfigured> {
  const variables = readVariables(smtpVariables, env);
  if (!variables.ok) return variables;
  const { SMTP_HOST: host, SMTP_PORT: port, SMTP_SECURITY: security, SMTP_USERNAME: user, SMTP_PASSWORD: pass } = variables.value;
  return ok({ host, port, security, credentials: user === "" ? null : { user, pass } });
}

/** How long dead letters are kept. */
export function deadLetterRetentionDays(env: Variables): Result<number, Misconfigured> {
  const variables = readVariables(deadLetterVariables, env);
  return variables.ok ? ok(variables.value.DLQ_RETENTION_DAYS) : variables;
}

/** The sender of every mail. */
export function sender(env: Variables): Result<string, Misconfigured> {
  const variables = readVariables(senderVariables, env);
  return variables.ok ? ok(formatMailbox(variables.value.EMAIL_FROM)) : variables;
}

export function adminToken(env: Variables): Result<string, Misconfigured> {
  const variables = readVariables(authVariables, env);
  return variables.ok ? ok(variables.value.ADMIN_TOKEN) : variables;
}
