import { registryVariable, type StartSettings } from "../settings.ts";

/** What a local run offers. */
export type Running = {
  settings: StartSettings;
  /** The mail server; null: the run has its own mailbox. */
  mailServer: { host: string; port: string } | null;
  token: string;
};

/** Where everything is, by name. */
export function addresses({ settings, mailServer, token }: Running): [string, string][] {
  const url = `http://localhost:${settings.port}`;
  const { host, port } = mailServer ?? { host: "127.0.0.1", port: String(settings.smtpPort) };
  return [
    ["api", url],
    ["console", `${url}/console/`],
    ["docs", `${url}/docs`],
    ["health", `${url}/health`],
    ...(mailServer === null
      ? [["mailbox", `http://localhost:${settings.mailboxPort}`] satisfies [string, string]]
      : []),
    ["smtp", `${host}:${port}`],
    ["admin token", token],
    ["your Worker", ownWorkerCommand(settings)],
    ["example", "npm run example"],
  ];
}

/**
 * The command that runs a Worker of the reader beside this run, so that its bindings reach Luna's
 * Workers, objects, queues and KV.
 */
function ownWorkerCommand(settings: StartSettings): string {
  const variable = Object.entries(registryVariable(settings)).map(
    ([name, value]) => `${name}=${shellQuoted(value)} `,
  );
  return `${variable.join("")}npx wrangler dev --persist-to ${shellQuoted(settings.stateDir)}`;
}

const shellQuoted = (text: string): string =>
  /^[\w./~-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
