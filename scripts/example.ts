/** Runs `examples/storefront` beside a running Luna: `npm run example`. */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { commandLine } from "./command-line.ts";
import { endsWith } from "./ending.ts";
import { firstCalls } from "./example/first-calls.ts";
import { servePrices } from "./example/prices.ts";
import { writeVariables } from "./local-configs.ts";
import { isLocked } from "./lock.ts";
import { isTaken } from "./ports.ts";
import { Processes } from "./processes.ts";
import { runningLuna } from "./running-luna.ts";
import { portNamed, startSettings } from "./settings.ts";
import { LocalWorkers } from "./start/local-workers.ts";

const { values } = commandLine({
  name: "example",
  about:
    "Runs examples/storefront beside a running npm start, on the same cache, queues and circuit " +
    "breakers, and a price service that you can stop. Ctrl-C ends both.",
  options: {
    port: { type: "string", value: "<port>", about: "of the storefront", default: "8788" },
    verbose: { type: "boolean", about: "also prints what Wrangler prints", default: false },
  },
  variables: {
    "PORT, STATE_DIR, …": "as npm start has them",
  },
});

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const processes = new Processes();
const fail = endsWith(processes);

async function main(): Promise<void> {
  const luna = startSettings(process.env);
  const settings = { ...luna, port: portNamed("--port", values.port) };
  const { url, token } = await runningLuna(luna);
  if (!isLocked(luna.stateDir))
    throw new Error(
      `the npm start at ${url} does not use ${luna.stateDir}. Set the same STATE_DIR here`,
    );
  if (await isTaken(settings.port))
    throw new Error(
      `port ${settings.port} is taken. Choose another: npm run example -- --port <port>`,
    );
  const pricesUrl = await servePrices();
  const workers = new LocalWorkers({
    name: "storefront",
    processes,
    print,
    verbose: values.verbose,
  });
  print(`storefront   starting beside Luna at ${url} …`);
  workers
    .run(settings, storefront(luna.stateDir, { PRICES_URL: pricesUrl, ADMIN_TOKEN: token }))
    .catch(fail);
  const storefrontUrl = `http://localhost:${settings.port}`;
  // The answer comes from a Durable Object of Luna.
  await workers.untilAnswers(`http://127.0.0.1:${settings.port}/prices-health`);
  workers.serving();
  for (const line of firstCalls({
    storefrontUrl,
    pricesUrl,
    mailboxUrl: `http://localhost:${luna.mailboxPort}`,
  }))
    print(line);
  print(`ready ${storefrontUrl}`);
}

/** The Worker as it is in `examples`. What it imports of Luna is that of this checkout. */
function storefront(stateDir: string, variables: Record<string, string>): string[] {
  const directory = join(stateDir, "example");
  mkdirSync(directory, { recursive: true });
  const file = join(directory, "variables");
  writeVariables(file, variables);
  const config = ["-c", "examples/storefront/wrangler.toml"];
  return [...config, "--tsconfig", resolve("tsconfig.json"), "--env-file", file];
}

main().catch(fail);
