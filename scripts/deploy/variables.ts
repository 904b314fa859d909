import {
  transportNames,
  transports,
  type TransportName,
  type TransportVariables,
} from "../../shared/email/rules/transports.ts";
import { emailTransports } from "../../shared/email/settings.ts";
import type { VariableNote } from "../../shared/email/transports/rules/definition.ts";
import type { Variables } from "../../workers/env.ts";
import type { Worker } from "./environments.ts";

/** When a deployment cannot do without it. */
type Need = "always" | `by ${TransportName}` | "no";
export type Variable = { name: keyof Variables; secret: boolean; need: Need; meaning: string };

/** The variables that one function of the settings validates, and the Workers that call it. */
type Group = { reader: string; workers: Worker[]; variables: Variable[] };

const secret = (name: keyof Variables, need: Need, meaning: string): Variable => ({
  name,
  secret: true,
  need,
  meaning,
});
const plain = (name: keyof Variables, need: Need, meaning: string): Variable => ({
  name,
  secret: false,
  need,
  meaning,
});

function noteEntries(notes: {
  readonly [Name in keyof TransportVariables]?: VariableNote;
}): [keyof TransportVariables, VariableNote][] {
  return Object.entries(notes) as [keyof TransportVariables, VariableNote][];
}

/** Every variable of `workers/env.ts`, once. `docs/configuration.md` has its table from here. */
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
        "operators who signed in through Cloudflare Access are admins; with `ACCESS_AUDIENCE`",
      ),
      plain(
        "ACCESS_AUDIENCE",
        "no",
        "audience tag of the Access application; with `ACCESS_TEAM_DOMAIN`",
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
    reader: "deadLetterRetentionDays",
    workers: ["consumer"],
    variables: [plain("DLQ_RETENTION_DAYS", "no", "how long dead letters are kept")],
  },
  {
    reader: "emailTransports",
    workers: ["consumer"],
    variables: [
      plain(
        "EMAIL_TRANSPORTS",
        "no",
        `some of ${transportNames.join(", ")}, in the order in which they are tried`,
      ),
    ],
  },
  {
    reader: "transportRates",
    workers: ["consumer"],
    variables: Object.values(transports).map(({ name, rate: { variable } }) =>
      plain(variable, "no", `emails per second of the whole fleet by \`${name}\`; 0 for no limit`),
    ),
  },
  {
    reader: "transportSettings",
    workers: ["consumer"],
    variables: Object.values(transports).flatMap(({ name, notes }) =>
      noteEntries(notes).map(([variable, { meaning, isSecret = false, isRequired = false }]) => ({
        name: variable,
        secret: isSecret,
        need: isRequired ? (`by ${name}` as const) : ("no" as const),
        meaning,
      })),
    ),
  },
  {
    reader: "resendWebhookSecret",
    workers: ["api"],
    variables: [
      secret(
        "WEBHOOK_SECRET_RESEND",
        "no",
        "signing secret of Resend's webhook to `POST /api/webhooks/resend`",
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
      plain("ALERT_EMAIL", "no", "the address that gets alerts by email"),
      secret(
        "ALERT_WEBHOOK_URL",
        "no",
        "the webhook for alerts; a secret, because its URL lets anybody post",
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
        "near where objects are made by their first request, and stay: `weur`, `enam` and so on",
      ),
    ],
  },
  {
    reader: "breakerSettings",
    workers: ["api", "consumer", "cron"],
    variables: [
      plain("BREAKER_FAILURES", "no", "failures in the window that open a circuit breaker"),
      plain("BREAKER_FAILURE_RATIO", "no", "the share of the calls that they must be"),
      plain("BREAKER_WINDOW_SECONDS", "no", "the window"),
      plain("BREAKER_OPEN_SECONDS", "no", "how long it stays open at first"),
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
        "the longest that one takes, and that a read waits for the database",
      ),
    ],
  },
];

export function variablesOf(worker: Worker): Variable[] {
  return groups
    .filter((group) => group.workers.includes(worker))
    .flatMap(({ variables }) => variables);
}

export const variableNames: ReadonlySet<string> = new Set(
  groups.flatMap(({ variables }) => variables.map(({ name }) => name)),
);

/** What the Worker cannot do without, given which transports take emails. */
export function neededBy(worker: Worker, vars: Variables): Variable[] {
  const configured = emailTransports(vars);
  const named = configured.ok ? configured.value : [];
  const isNeeded = (need: Need): boolean =>
    need === "always" || named.some((name) => need === `by ${name}`);
  return variablesOf(worker).filter(({ need }) => isNeeded(need));
}
