import { createHmac, randomBytes } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { checkAlertSettings } from "../shared/alerts/settings.ts";
import {
  deadLetterRetentionDays,
  emailTransports,
  resendWebhookSecret,
  retryPolicy,
  sender,
  transportRates,
  transportSettings,
  unsubscribeSettings,
} from "../shared/email/settings.ts";
import { cacheSettings } from "../shared/lib/cache/rules/index.ts";
import { breakerSettings } from "../shared/lib/circuit-breaker/rules/index.ts";
import { objectLocation } from "../shared/lib/worker/placement.ts";
import type { Misconfigured } from "../shared/lib/worker/variables.ts";
import { authSettings, corsOrigins } from "../workers/api/settings.ts";
import type { Variables } from "../workers/env.ts";
import { variableNames } from "./deploy/variables.ts";

/** The file with the variables and secrets of local runs. The tests have one of their own. */
export const DEV_VARS = process.env["DEV_VARS"] || ".dev.vars";

/** Where `npm start` listens and keeps its state. */
export type StartSettings = {
  port: number;
  smtpPort: number;
  mailboxPort: number;
  stateDir: string;
};

/** @throws Error naming the variable that is not a port */
export function startSettings(env: NodeJS.ProcessEnv): StartSettings {
  return {
    port: portFrom(env, "PORT", 8787),
    smtpPort: portFrom(env, "SMTP_PORT", 1025),
    mailboxPort: portFrom(env, "MAILBOX_PORT", 1080),
    stateDir: resolve(env["STATE_DIR"] || ".wrangler/state"),
  };
}

/**
 * Where the Workers of a local run are found by those of another process, such as a producer to
 * their queue.
 */
export function registryPath(stateDir: string): string {
  return join(stateDir, "registry");
}

function portFrom(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name] || String(fallback);
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
 * Checks variables as the Workers will, so that a bad one is told before anything starts.
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
    deadLetterRetentionDays,
    emailTransports,
    transportRates,
    ...named.map((name) => (env: Variables) => transportSettings(env, name)),
    ...(vars.WEBHOOK_SECRET_RESEND === undefined ? [] : [resendWebhookSecret]),
    checkAlertSettings,
    breakerSettings,
    cacheSettings,
    corsOrigins,
    objectLocation,
    unsubscribeSettings,
  ];
  return readers.flatMap((read) => {
    const result = read(vars);
    return result.ok ? [] : [result.error];
  });
}
