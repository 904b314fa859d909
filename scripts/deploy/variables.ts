import { emailGroups } from "./email-variables.ts";
import { plain, secret, type Group } from "./variable.ts";

export type { Need, Variable } from "./variable.ts";

/**
 * Every variable of `workers/env.ts`, once. `docs/reference/configuration.md` has its table from
 * here.
 */
export const groups: Group[] = [
  {
    reader: "authSettings",
    workers: ["api"],
    variables: [
      secret("ADMIN_TOKEN", "always", "Bearer token of the admin, at least 32 characters"),
      secret(
        "ADMIN_TOKEN_PREVIOUS",
        "no",
        "the previous admin token, valid while this is set: for rotation",
      ),
      secret(
        "READONLY_TOKEN",
        "no",
        "token for operators that reads everything and changes nothing",
      ),
      plain(
        "ACCESS_TEAM_DOMAIN",
        "no",
        "operators may sign in through Cloudflare Access; with `ACCESS_AUDIENCE`",
      ),
      plain(
        "ACCESS_AUDIENCE",
        "no",
        "audience tag of the Access application; with `ACCESS_TEAM_DOMAIN`",
      ),
      plain(
        "ACCESS_ROLES",
        "no",
        "groups of Access and their roles: `luna-admins=admin,*=viewer`; without it all are admins",
      ),
    ],
  },
  {
    reader: "corsOrigins",
    workers: ["api"],
    variables: [
      plain("CORS_ORIGINS", "no", "origins whose pages may call the API, separated by commas"),
    ],
  },
  {
    reader: "sender",
    workers: ["api", "consumer", "cron"],
    variables: [plain("EMAIL_FROM", "always", "sender of every email, as `Name <address>`")],
  },
  {
    reader: "brandOf",
    workers: ["api", "consumer", "cron"],
    variables: [
      plain("PRODUCT_NAME", "no", "name of the product, on pages and in emails to its users"),
      plain(
        "PRODUCT_COLOUR",
        "no",
        "colour of buttons and headings; the text on it stays readable",
      ),
      plain(
        "PRODUCT_LOGO",
        "no",
        "https URL of the logo and its size in pixels, `https://example.com/logo.png 120x32`",
      ),
      plain("PRODUCT_FOOTER", "no", "one line under each email and page, such as a postal address"),
      plain("PRODUCT_LANGUAGE", "no", "language tag: `lang`, and the form of dates and numbers"),
    ],
  },
  {
    reader: "isSent",
    workers: ["api", "cron"],
    variables: [
      plain("AUTOMATIC_EMAILS_OFF", "no", "automatic emails not to send, separated by commas"),
    ],
  },
  {
    reader: "trialDays",
    workers: ["api", "cron"],
    variables: [plain("TRIAL_DAYS", "no", "days of the trial of a paid tier; 0: no trials")],
  },
  {
    reader: "tierName",
    workers: ["api"],
    variables: [
      plain("TIER_NAMES", "no", "what users read for the tiers free, pro and enterprise, in order"),
    ],
  },
  {
    reader: "usageQuota",
    workers: ["api"],
    variables: [
      plain(
        "USAGE_MAX_PER_MONTH_BY_TIER",
        "no",
        "usage per month (UTC) by the three tiers, 0: no limit: `exports=9,99,0; calls=9,0,0`",
      ),
    ],
  },
  {
    reader: "unsubscribeSettings",
    workers: ["api", "consumer", "cron"],
    variables: [
      plain("PUBLIC_URL", "always", "public URL of the API, without a path"),
      secret(
        "UNSUBSCRIBE_SECRET",
        "always",
        "signs unsubscribe links, at least 32 characters; the same for all three",
      ),
    ],
  },
  {
    reader: "retryPolicy",
    workers: ["consumer", "cron"],
    variables: [
      plain("EMAIL_MAX_RETRIES", "no", "attempts after the first"),
      plain("EMAIL_BASE_DELAY_SECONDS", "no", "first delay"),
      plain("EMAIL_MAX_DELAY_SECONDS", "no", "longest delay"),
    ],
  },
  {
    reader: "waitLimits",
    workers: ["consumer", "cron"],
    variables: [
      plain(
        "EMAIL_RETRY_WINDOW_HOURS",
        "no",
        "hours of tries after greylisting; 0: ordinary retries",
      ),
      plain(
        "EMAIL_MAX_WAIT_HOURS",
        "no",
        "hours of tries at a server or limit; 0: ordinary retries",
      ),
    ],
  },
  {
    reader: "dailyLimits",
    workers: ["api", "consumer"],
    variables: [
      plain("EMAIL_MAX_PER_DAY", "no", "emails that are accepted per day (UTC); 0: no limit"),
      plain(
        "EMAIL_MAX_PER_DAY_BY_TIER",
        "no",
        "emails per day of a user, by the tiers free, pro and enterprise, such as `100,5000,0`",
      ),
    ],
  },
  {
    reader: "deadLetterRetentionDays",
    workers: ["consumer", "cron"],
    variables: [plain("DLQ_RETENTION_DAYS", "no", "how long dead letters are kept")],
  },
  {
    reader: "retentionSettings",
    workers: ["cron"],
    variables: [
      plain(
        "EMAIL_CONTENT_RETENTION_DAYS",
        "no",
        "how long HTML, text and attachments are kept after the email is over",
      ),
      plain(
        "EMAIL_RETENTION_DAYS",
        "no",
        "how long after its end an email is kept and its unsubscribe link works",
      ),
      plain("EMAIL_UNKNOWN_RETENTION_DAYS", "no", "how long an `unknown` email is kept"),
      plain("AUDIT_RETENTION_DAYS", "no", "how long the audit log is kept"),
      plain("USAGE_RETENTION_DAYS", "no", "how long usage by day and counts of emails are kept"),
      plain("USAGE_MONTHLY_RETENTION_DAYS", "no", "how long usage by month is kept"),
      plain(
        "EXPORT_BEFORE_DELETION",
        "no",
        "`on`: what expires is written to R2 (`EXPORTS`) first",
      ),
    ],
  },
  {
    reader: "databaseLimit",
    workers: ["api", "cron"],
    variables: [
      plain(
        "DATABASE_LIMIT_MB",
        "no",
        "how large D1 may become: 10 GB, or 500 MB on the free plan",
      ),
    ],
  },
  ...emailGroups,
  {
    reader: "secretsKey",
    workers: ["api", "consumer"],
    variables: [secret("SECRETS_KEY", "no", "encrypts webhooks' secrets, at least 32 characters")],
  },
  {
    reader: "outboundPolicy",
    workers: ["api", "consumer"],
    variables: [
      plain(
        "OUTBOUND_ALLOW_LOOPBACK",
        "no",
        "`true`: webhooks may go to http on loopback; a deployment refuses it",
      ),
    ],
  },
  {
    reader: "allowedTargets",
    workers: ["api", "consumer"],
    variables: [
      plain(
        "JOB_TARGETS",
        "no",
        "JSON: the queues and methods that jobs may call; a deployment sets it from `[jobs]`",
      ),
    ],
  },
  {
    reader: "alertSettings",
    workers: ["api", "cron"],
    variables: [
      plain(
        "ALERT_FAILURES",
        "no",
        "failed tasks of one execution, or failed runs of one task in a row, that raise an alert",
      ),
      plain(
        "ALERT_RECOVERY_MINUTES",
        "no",
        "how long a condition must not hold before its alert is over; 0: each change is reported",
      ),
      plain("ALERT_EMAIL", "no", "the address that gets alerts by email"),
      plain("ALERT_EMAIL_SEVERITY", "no", "`page`: this address gets no tickets"),
      secret(
        "ALERT_WEBHOOK_URL",
        "no",
        "the webhook for alerts; a secret, because its URL lets anyone who knows it post",
      ),
      plain("ALERT_WEBHOOK_SEVERITY", "no", "`page`: this webhook gets no tickets"),
      secret(
        "ALERT_WEBHOOK_SECRET",
        "no",
        "signs the webhook for alerts (Standard Webhooks); several, separated by spaces, to rotate",
      ),
    ],
  },
  {
    reader: "objectLocation",
    workers: ["api", "consumer", "cron"],
    variables: [
      plain(
        "OBJECT_LOCATION_HINT",
        "no",
        "where first requests make objects, which stay there: near `weur`, `enam` and so on",
      ),
    ],
  },
  {
    reader: "breakerSettings",
    workers: ["api", "consumer", "cron"],
    variables: [
      plain("BREAKER_FAILURES", "no", "failures in the window that open a circuit breaker"),
      plain("BREAKER_FAILURE_RATIO", "no", "the share of calls that must fail"),
      plain("BREAKER_SLOW_RATIO", "no", "the share of calls that must be slow or fail"),
      plain("BREAKER_WINDOW_SECONDS", "no", "the window"),
      plain("BREAKER_OPEN_SECONDS", "no", "how long it stays open at first"),
      plain("BREAKER_DEPENDENCIES", "no", "JSON: `failures` and so on of single dependencies"),
    ],
  },
  {
    reader: "cacheSettings",
    workers: ["api", "cron"],
    variables: [
      plain("CACHE_TTL_SECONDS", "no", "how long a value is fresh"),
      plain(
        "CACHE_STALENESS_MS",
        "no",
        "how long after a purge another isolate may still serve what was purged",
      ),
      plain("CACHE_MAX_RETRIES", "no", "attempts of a KV call after the first"),
      plain(
        "CACHE_TIMEOUT_MS",
        "no",
        "longest time of a KV call, and of a read's wait for the database",
      ),
    ],
  },
];
