import { createHmac, randomBytes } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { checkAccountSettings } from "../shared/accounts/settings.ts";
import { checkAlertSettings } from "../shared/alerts/settings.ts";
import { checkDatabaseLimit } from "../shared/database/settings.ts";
import { checkAutomaticEmails } from "../shared/email/automatic-emails.ts";
import { checkBrand } from "../shared/email/brand.ts";
import { dailyLimits } from "../shared/email/daily-limits.ts";
import { returnPathSettings, subscribedDomains } from "../shared/email/feedback-settings.ts";
import {
  deadLetterRetentionDays,
  dnsResolver,
  emailTransports,
  resendWebhookSecret,
  retryPolicy,
  sender,
  sesTopic,
  transportRates,
  transportSettings,
  unsubscribeSettings,
  waitLimits,
} from "../shared/email/settings.ts";
import { cacheSettings } from "../shared/lib/cache/rules/index.ts";
import { breakerSettings } from "../shared/lib/circuit-breaker/rules/index.ts";
import { objectLocation } from "../shared/lib/worker/placement.ts";
import type { Misconfigured } from "../shared/lib/worker/variables.ts";
import { allowedTargets } from "../shared/schedule/jobs/settings.ts";
import { outboundPolicy, secretsKey } from "../shared/webhooks/settings.ts";
import { authSettings, corsOrigins } from "../workers/api/settings.ts";
import { retentionSettings } from "../workers/cron/settings.ts";
import type { Variables } from "../workers/env.ts";
import { variableNames } from "./deploy/needed-variables.ts";

/** The file with the variables and secrets of local runs. The tests have one of their own. */
export const DEV_VARS = process.env["DEV_VARS"] || ".dev.vars";

/** Where `npm start` listens and keeps its state. */
export type StartSettings = {
  port: number;
  smtpPort: number;
  mailboxPort: number;
  stateDir: string;
  /**
   * The folder in which this run and the Workers of other processes find each other; null is the
   * one of Wrangler, where every `wrangler dev` of the user looks. A run with a state of its own
   * has a registry of its own, so that it is apart from runs with the same names.
   */
  registry: string | null;
};

const STATE_DIR = ".wrangler/state";

/** @throws Error naming the variable that is not a port */
export function startSettings(env: NodeJS.ProcessEnv): StartSettings {
  const stateDir = resolve(env["STATE_DIR"] || STATE_DIR);
  const isDefault = stateDir === resolve(STATE_DIR);
  return {
    port: portFrom(env, "PORT", 8787),
    smtpPort: portFrom(env, "SMTP_PORT", 1025),
    mailboxPort: portFrom(env, "MAILBOX_PORT", 1080),
    stateDir,
    registry: env["WRANGLER_REGISTRY_PATH"] || (isDefault ? null : join(stateDir, "registry")),
  };
}

/** The variable by which another Wrangler finds the Workers of a run, if it needs one. */
export function registryVariable({ registry }: StartSettings): Record<string, string> {
  return registry === null ? {} : { WRANGLER_REGISTRY_PATH: registry };
}

/** The environment of a Wrangler of a local run: it asks nothing and the network nothing. */
export function quietWrangler(settings: StartSettings): NodeJS.ProcessEnv {
  return {
    ...process.env,
    NO_COLOR: "1",
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_HIDE_BANNER: "true",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    CI: "1",
    ...registryVariable(settings),
  };
}

function portFrom(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  return portNamed(name, env[name] || String(fallback));
}

/** @throws Error naming the setting, if it is no port */
export function portNamed(name: string, text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535)
    throw new Error(`${name} must be a port number from 1 to 65535, not "${text}"`);
  return port;
}

/** The variables of `.dev.vars`, as they stand there. */
export function readDevVars(file: string): Record<string, string | undefined> {
  return existsSync(file) ? parseEnv(readFileSync(file, "utf8")) : {};
}

/**
 * Every variable of the Workers in an environment, except the token: that comes from `.dev.vars`,
 * where the developer can read it.
 */
export function variablesIn(env: NodeJS.ProcessEnv): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => variableNames.has(name) && name !== "ADMIN_TOKEN"),
  );
}

/**
 * Puts a random ADMIN_TOKEN into `.dev.vars` if it names none. Never changes what is there.
 *
 * @returns the token, old or new
 */
export function ensureAdminToken(file: string): string {
  const existing = readDevVars(file)["ADMIN_TOKEN"];
  if (existing) return existing;
  const token = randomBytes(32).toString("hex");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const separator = text === "" || text.endsWith("\n") ? "" : "\n";
  appendFileSync(file, `${separator}ADMIN_TOKEN=${token}\n`, { mode: 0o600 });
  return token;
}

/** A secret for local runs that is the same at each start, for as long as the token is. */
export function secretFrom(token: string, purpose: string): string {
  return createHmac("sha256", token).update(purpose).digest("hex");
}

/**
 * Checks variables as the Workers will, so that a bad one is named before anything starts.
 *
 * @throws Error naming the first bad one
 */
export function checkVariables(vars: Variables): void {
  const [first] = badVariables(vars);
  if (first !== undefined)
    throw new Error(`${first.variable} ${first.message}. See .dev.vars.example`);
}

/** What the Workers would refuse, at most one of each part's variables. */
export function badVariables(vars: Variables): Misconfigured[] {
  const transports = emailTransports(vars);
  const named = transports.ok ? transports.value : [];
  const readers = [
    authSettings,
    sender,
    retryPolicy,
    waitLimits,
    (env: Variables) => dailyLimits(env, null),
    deadLetterRetentionDays,
    emailTransports,
    transportRates,
    ...named.map((name) => (env: Variables) => transportSettings(env, name)),
    ...(vars.WEBHOOK_SECRET_RESEND === undefined ? [] : [resendWebhookSecret]),
    ...(vars.SES_TOPIC_ARN === undefined ? [] : [sesTopic]),
    returnPathSettings,
    subscribedDomains,
    ...(vars.SECRETS_KEY === undefined ? [] : [secretsKey]),
    outboundPolicy,
    allowedTargets,
    dnsResolver,
    checkAccountSettings,
    checkAlertSettings,
    checkAutomaticEmails,
    checkBrand,
    breakerSettings,
    cacheSettings,
    checkDatabaseLimit,
    corsOrigins,
    objectLocation,
    unsubscribeSettings,
    retentionSettings,
  ];
  return readers.flatMap((read) => {
    const result = read(vars);
    return result.ok ? [] : [result.error];
  });
}
