/** Runs all of Luna on this machine: `npm start`. README.md lists its variables. */
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { ensureConsole } from "./build-console.ts";
import { tomlVariables, writeLocalConfigs } from "./local-configs.ts";
import { lockState } from "./lock.ts";
import { Mailbox } from "./mailbox.ts";
import { outageSocket, serveOutages } from "./outages.ts";
import { isTaken } from "./ports.ts";
import { Processes } from "./processes.ts";
import {
  checkVariables,
  DEV_VARS,
  ensureAdminToken,
  readDevVars,
  registryPath,
  secretFrom,
  startSettings,
  variablesIn,
  type StartSettings,
} from "./settings.ts";

const LOCAL_OPERATOR = "oncall@luna.example";
/** Only a hang takes this long: the end of the Workers is noticed at once. */
const READY_TIMEOUT_MS = 300_000;
const MINUTE_MS = 60_000;

const processes = new Processes();
const quietly = {
  ...process.env,
  NO_COLOR: "1",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  CI: "1",
};

async function main(): Promise<void> {
  const settings = startSettings(process.env);
  const given = withoutEmpty({ ...readDevVars(DEV_VARS), ...variablesIn(process.env) });
  const ownServer = given["SMTP_HOST"];
  await refuseTakenPorts(settings, ownServer === undefined);
  const local = {
    SMTP_HOST: "127.0.0.1",
    SMTP_PORT: String(settings.smtpPort),
    SMTP_SECURITY: "none",
    SMTP_USERNAME: "",
    SMTP_PASSWORD: "",
  };
  await ensureConsole();
  // Without an ALERT_EMAIL of the developer, alerts go to the local mailbox.
  const withMailbox =
    ownServer === undefined ? { ALERT_EMAIL: LOCAL_OPERATOR, ...given, ...local } : given;
  const lock = lockState(settings.stateDir);
  process.once("exit", () => lock.close());
  const token = ensureAdminToken(DEV_VARS);
  const links = {
    PUBLIC_URL: `http://localhost:${settings.port}`,
    UNSUBSCRIBE_SECRET: secretFrom(token, "unsubscribe"),
  };
  const variables = { ...tomlVariables(), ...links, ...withMailbox, ADMIN_TOKEN: token };
  checkVariables(variables);
  const configs = writeLocalConfigs(join(settings.stateDir, "dev"), variables);
  await migrate(settings, configs);
  if (ownServer === undefined) runMailbox(settings).catch(fail);
  runWorkers(settings, configs).catch(fail);
  await untilHealthy(settings);

  const url = `http://localhost:${settings.port}`;
  say(`api          ${url}`);
  say(`console      ${url}/console/`);
  say(`health       ${url}/health`);
  say(
    ownServer === undefined
      ? `mailbox      http://localhost:${settings.mailboxPort}`
      : `smtp         ${ownServer}`,
  );
  say(`admin token  ${token}`);
  say(`ready ${url}`);
  serving = true;
  tickEachMinute(settings, token);
}

/** An empty variable, as in the example file, counts as not set. */
function withoutEmpty(
  variables: Record<string, string | undefined>,
): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ""));
}

async function refuseTakenPorts(
  { port, smtpPort, mailboxPort }: StartSettings,
  mailbox: boolean,
): Promise<void> {
  const wanted = {
    PORT: port,
    ...(mailbox ? { SMTP_PORT: smtpPort, MAILBOX_PORT: mailboxPort } : {}),
  };
  if (new Set(Object.values(wanted)).size < Object.keys(wanted).length)
    throw new Error(`${Object.keys(wanted).join(", ")} must differ`);
  const entries = Object.entries(wanted);
  const checked = await Promise.all(
    entries.map(async ([name, number]) => ((await isTaken(number)) ? [{ name, number }] : [])),
  );
  const taken = checked.flat();
  if (taken.length === 0) return;
  const which = taken.map(({ number }) => `port ${number} is taken`).join(", ");
  const other = taken.map(({ name }) => `${name}=<port>`).join(" ");
  throw new Error(`${which}. Stop what listens there, or choose another: ${other} npm start`);
}

async function migrate({ stateDir }: StartSettings, [apiConfig = ""]: string[]): Promise<void> {
  const args = [
    "d1",
    "migrations",
    "apply",
    "DB",
    "--local",
    "--persist-to",
    stateDir,
    "-c",
    apiConfig,
  ];
  const lines: string[] = [];
  const code = await processes.run("wrangler", args, quietly, (line) => lines.push(line));
  if (code !== 0) throw new Error(`migrations failed:\n${lines.join("\n")}`);
}

async function runMailbox(settings: StartSettings): Promise<void> {
  const mailbox = new Mailbox(processes, settings, quietly);
  serveOutages(outageSocket(settings.stateDir), mailbox).once("error", fail);
  await mailbox.run();
}

async function runWorkers({ port, stateDir }: StartSettings, configs: string[]): Promise<void> {
  const where = [
    "--ip",
    "127.0.0.1",
    "--port",
    String(port),
    "--inspector-port",
    "0",
    "--persist-to",
    stateDir,
  ];
  const args = [
    "dev",
    ...configs.flatMap((config) => ["-c", config]),
    ...where,
    "--show-interactive-dev-session=false",
  ];
  // A registry of its own separates this run from other runs with the same names.
  const env = { ...quietly, WRANGLER_REGISTRY_PATH: registryPath(stateDir) };
  const code = await processes.run("wrangler", args, env, pass);
  throw new Error(`the Workers ended (exit code ${code})\n${startUp.join("\n")}`);
}

/**
 * Wrangler's lines before it serves are kept for an error message; later each log line of the
 * Workers is passed on.
 */
const startUp: string[] = [];
let serving = false;
function pass(line: string): void {
  const plain = stripVTControlCharacters(line)
    .replace(/^\S \[(WARNING|ERROR)\] /, "")
    .trim();
  if (plain === "") return;
  if (serving) say(plain);
  else startUp.push(plain);
}

async function untilHealthy({ port }: StartSettings): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (Date.now() < deadline) {
    const healthy = await fetch(`http://127.0.0.1:${port}/health`, {
      signal: AbortSignal.timeout(30_000),
    }).then(
      (response) => response.ok,
      () => false,
    );
    if (healthy) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(
    `the Workers did not answer within ${READY_TIMEOUT_MS / 1_000} s\n${startUp.join("\n")}`,
  );
}

/**
 * The cron trigger for local use: the local runtime triggers only the first Worker, which has no
 * schedule. The local queues start empty, so the first call notifies for every due email.
 */
function tickEachMinute({ port }: StartSettings, token: string): void {
  const post = (what: string): void => {
    const init = { method: "POST", headers: { Authorization: `Bearer ${token}` } };
    fetch(`http://127.0.0.1:${port}/api/admin/scheduled-tasks/${what}`, init).then(
      (response) => response.ok || say(`cron: the tick was answered with ${response.status}`),
      (error: unknown) => say(`cron: the tick failed: ${String(error)}`),
    );
  };
  const tick = (): void => post("tick");
  post("sweep-outbox/run");
  setTimeout(
    () => {
      tick();
      setInterval(tick, MINUTE_MS);
    },
    MINUTE_MS - (Date.now() % MINUTE_MS),
  );
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function fail(error: unknown): void {
  void end(error instanceof Error ? error.message : String(error));
}

let ending = false;
async function end(reason: string | null): Promise<void> {
  if (ending) return;
  ending = true;
  if (reason !== null) process.stderr.write(`luna: ${reason}\n`);
  await processes.stop();
  process.exit(reason === null ? 0 : 1);
}

// A killed npm cannot pass a signal on; this process then gets another parent.
const parent = process.ppid;
setInterval(() => process.ppid === parent || void end(null), 1_000).unref();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => void end(null));
main().catch(fail);
