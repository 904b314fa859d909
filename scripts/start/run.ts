import { join } from "node:path";
import { systemClock } from "../../shared/lib/base/clock.ts";
import { buildConsole, isConsoleCurrent } from "../build-console.ts";
import { endsWith } from "../ending.ts";
import { tomlVariables, writeDatabaseConfig, writeLocalConfigs } from "../local-configs.ts";
import { lockState } from "../lock.ts";
import { MailboxProcess } from "../mailbox.ts";
import { outageSocket, serveOutages } from "../outages.ts";
import { isTaken } from "../ports.ts";
import { Processes } from "../processes.ts";
import {
  checkVariables,
  DEV_VARS,
  ensureAdminToken,
  quietWrangler,
  readDevVars,
  secretFrom,
  startSettings,
  variablesIn,
  type StartSettings,
} from "../settings.ts";
import { addresses } from "./addresses.ts";
import { LocalWorkers } from "./local-workers.ts";
import { applyMigrations, areApplied } from "./migrations.ts";
import { Progress } from "./progress.ts";
import { tickEachMinute } from "./ticks.ts";

const LOCAL_OPERATOR = "oncall@luna.example";
/** As luna-consumer has it. */
const DEFAULT_SMTP_PORT = "587";

type Given = Record<string, string | undefined>;
type Run = {
  processes: Processes;
  settings: StartSettings;
  progress: Progress;
  verbose: boolean;
  fail: (error: unknown) => void;
};

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** All of `npm start`. It ends this process when it ends. */
export function runEverything(verbose: boolean): void {
  const processes = new Processes();
  const fail = endsWith(processes);
  const progress = new Progress(print, systemClock);
  const start = async (): Promise<void> => {
    const settings = startSettings(process.env);
    await startAll({ processes, settings, progress, verbose, fail });
  };
  start().catch(fail);
}

async function startAll(run: Run): Promise<void> {
  const { settings, progress, fail } = run;
  const given = withoutEmpty({ ...readDevVars(DEV_VARS), ...variablesIn(process.env) });
  const ownServer = given["SMTP_HOST"];
  await refuseTakenPorts(settings, ownServer === undefined);
  const lock = lockState(settings.stateDir);
  process.once("exit", () => lock.close());
  const token = ensureAdminToken(DEV_VARS);
  const variables = variablesFor(settings, token, given);
  checkVariables(variables);
  const directory = join(settings.stateDir, "dev");
  const configs = writeLocalConfigs(directory, variables);
  const databaseConfig = writeDatabaseConfig(directory);

  if (ownServer === undefined) runMailbox(run).catch(fail);
  await Promise.all([prepareConsole(run), prepareDatabase(run, databaseConfig)]);
  const workers = await runWorkers(run, configs);

  const mailServer =
    ownServer === undefined
      ? null
      : { host: ownServer, port: given["SMTP_PORT"] ?? DEFAULT_SMTP_PORT };
  for (const [name, address] of addresses({ settings, mailServer, token }))
    progress.line(name, address);
  print(`ready http://localhost:${settings.port}`);
  workers.serving();
  tickEachMinute(settings.port, token, print);
}

/** An empty variable, as in the example file, counts as not set. */
function withoutEmpty(variables: Given): Given {
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ""));
}

function variablesFor({ port, smtpPort }: StartSettings, token: string, given: Given): Given {
  const webhooks = {
    SECRETS_KEY: secretFrom(token, "secrets"),
    OUTBOUND_ALLOW_LOOPBACK: "true",
  };
  const links = {
    PUBLIC_URL: `http://localhost:${port}`,
    UNSUBSCRIBE_SECRET: secretFrom(token, "unsubscribe"),
  };
  const mailbox = {
    SMTP_HOST: "127.0.0.1",
    SMTP_PORT: String(smtpPort),
    SMTP_SECURITY: "none",
    SMTP_USERNAME: "",
    SMTP_PASSWORD: "",
  };
  // Without an ALERT_EMAIL of the developer, alerts go to the local mailbox.
  const withMailbox =
    given["SMTP_HOST"] === undefined
      ? { ALERT_EMAIL: LOCAL_OPERATOR, ...given, ...mailbox }
      : given;
  // Who tries Luna out wants to see each change.
  const atOnce = { ALERT_RECOVERY_MINUTES: "0" };
  return {
    ...tomlVariables(),
    ...links,
    ...webhooks,
    ...atOnce,
    ...withMailbox,
    ADMIN_TOKEN: token,
  };
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

async function runMailbox({ processes, settings, fail }: Run): Promise<void> {
  const mailbox = new MailboxProcess(processes, settings, quietWrangler(settings));
  serveOutages(outageSocket(settings.stateDir), mailbox).once("error", fail);
  await mailbox.run();
}

async function prepareConsole({ progress }: Run): Promise<void> {
  if (isConsoleCurrent()) progress.line("console", "unchanged");
  else await progress.part("console", { doing: "building", done: "built" }, buildConsole);
}

async function prepareDatabase(
  { processes, settings, progress, verbose }: Run,
  config: string,
): Promise<void> {
  const database = { stateDir: settings.stateDir, config };
  if (areApplied(database)) return progress.line("database", "unchanged");
  const options = { env: quietWrangler(settings), onLine: verbose ? print : () => undefined };
  await progress.part("database", { doing: "applying migrations", done: "migrated" }, () =>
    applyMigrations(database, processes, options),
  );
}

async function runWorkers(run: Run, configs: string[]): Promise<LocalWorkers> {
  const { processes, settings, progress, verbose, fail } = run;
  const workers = new LocalWorkers({ name: "workers", processes, print, verbose });
  const args = configs.flatMap((config) => ["-c", config]);
  await progress.part("workers", { doing: "starting", done: "ready" }, async () => {
    workers.run(settings, args).catch(fail);
    await workers.untilAnswers(`http://127.0.0.1:${settings.port}/health`);
  });
  return workers;
}
