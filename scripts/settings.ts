import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseEnv } from "node:util";

/** Where `npm start` listens and keeps its state. */
export type StartSettings = { port: number; smtpPort: number; mailboxPort: number; stateDir: string };

/** @throws Error naming the variable that is not a port */
export function startSettings(env: NodeJS.ProcessEnv): StartSettings {
  return {
    port: portFrom(env, "PORT", 8787),
    smtpPort: portFrom(env, "SMTP_PORT", 1025),
    mailboxPort: portFrom(env, "MAILBOX_PORT", 1080),
    stateDir: resolve(env["STATE_DIR"] ?? ".wrangler/state"),
  };
}

function portFrom(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name] ?? String(fallback);
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) throw new Error(`${name} must be a port number from 1 to 65535, not "${text}"`);
  return port;
}

/**
 * Reads `.dev.vars`; puts a random ADMIN_TOKEN there if it names none. Never changes what is there.
 *
 * @returns all of its variables
 */
export function devVars(file: string): Record<string, string | undefined> {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const vars = parseEnv(text);
  if (vars["ADMIN_TOKEN"]) return vars;
  const token = randomBytes(32).toString("hex");
  const separator = text === "" || text.endsWith("\n") ? "" : "\n";
  appendFileSync(file, `${separator}ADMIN_TOKEN=${token}\n`, { mode: 0o600 });
  return { ...vars, ADMIN_TOKEN: token };
}
