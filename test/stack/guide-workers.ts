import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { TestHarnessOptions } from "wrangler";
import { codeBlocks, commandsIn, filesOn, nameOf } from "../support/code-blocks.ts";
import { ADMIN_TOKEN } from "../support/http.ts";

type WorkerInput = TestHarnessOptions["workers"][number];

/** The pages whose blocks make a Worker, by the name of that Worker. */
export const guideWorkers: Readonly<Record<string, string>> = {
  README: "readme",
  install: "guarded",
  "develop-locally": "shop",
  "send-email": "orders",
  "cache-a-query": "catalog",
  "guard-a-dependency": "checkout",
  "your-own-login": "login",
  "schedule-a-job": "billing",
  "receive-webhooks": "receiver",
};

/** The secret with which Clerk and Luna sign, in the format of Standard Webhooks. */
export const WEBHOOK_SECRET = `whsec_${btoa("a secret of thirty-two characters")}`;

/**
 * Writes the files of each page into a folder of the project.
 *
 * @param servicePort where the services that the Workers call listen
 * @returns the Workers
 */
export function writeGuides(project: string, servicePort: number): WorkerInput[] {
  return Object.entries(guideWorkers).map(([page, worker]) => {
    const folder = join(project, "guides", worker);
    const files = filesOn(page);
    // The Worker of the README has the bindings of the page that it leads to.
    if (page === "README") files.set("wrangler.toml", readmeConfig());
    for (const [file, text] of files) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    const services = `http://127.0.0.1:${servicePort}`;
    return {
      configPath: join(folder, "wrangler.toml"),
      vars: Object.fromEntries(
        ["STOCK_URL", "PRICES_URL", "WAREHOUSE_URL"].map((name) => [
          name,
          `${services}/prices/tea`,
        ]),
      ),
      secrets: {
        LUNA_TOKEN: ADMIN_TOKEN,
        JOB_SECRET: WEBHOOK_SECRET,
        CLERK_WEBHOOK_SIGNING_SECRET: WEBHOOK_SECRET,
        WEBHOOK_SECRET,
      },
    };
  });
}

function readmeConfig(): string {
  const config = filesOn("develop-locally").get("wrangler.toml") ?? "";
  return config.replace('name = "shop"', 'name = "readme"').replace("src/index.ts", "index.ts");
}

/** What a page shows as the answer of the block of commands before it. */
export type Walk = { commands: string[]; answer: unknown };

/** The commands of a page that call a running Luna or the page's Worker, with their answers. */
export function walksOf(name: string): Walk[] {
  const walks: Walk[] = [];
  for (const { page, language, file, text } of codeBlocks) {
    if (nameOf(page) !== name || file !== null) continue;
    const commands = commandsIn(text).filter((line) => /localhost:878[78]/.test(line));
    if (language === "sh") walks.push({ commands, answer: null });
    const last = walks.at(-1);
    if (language === "json" && last !== undefined) last.answer = JSON.parse(text);
  }
  return walks.filter(({ commands }) => commands.length > 0);
}

/** Where the commands of a page find what it runs, and what the reader has put into variables. */
export type Place = { luna: URL; worker: URL; folder: string; env?: Record<string, string> };

/** @returns the last line that the commands print */
export async function printed(commands: readonly string[], place: Place): Promise<string> {
  const script = commands
    .join("\n")
    .replaceAll("http://localhost:8787", place.luna.origin)
    .replaceAll("http://localhost:8788", place.worker.origin);
  const options = { cwd: place.folder, env: { ...process.env, TOKEN: ADMIN_TOKEN, ...place.env } };
  const { stdout } = await promisify(execFile)("sh", ["-ec", script], options);
  return stdout.trim().split("\n").at(-1) ?? "";
}

/** Without what differs in each run: ids, times, ports and keys. */
export function comparable(answer: unknown): unknown {
  const text = JSON.stringify(answer)
    .replaceAll(/[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/g, "<id>")
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>")
    .replaceAll(/\b(?:we|evt|hb)_[\da-f]{32}/g, "<id>")
    .replaceAll(/http:\/\/(?:localhost:\d+|127\.0\.0\.1:\d+|luna\.test)/g, "<origin>")
    .replaceAll(/whsec_[\w+/=]+|luna_[\w-]+/g, "<key>");
  return JSON.parse(text);
}

/** What a Worker answers, to Node. */
export type WorkerAnswer = {
  status: number;
  headers: Iterable<[string, string]>;
  arrayBuffer(): Promise<ArrayBuffer>;
  json(): Promise<unknown>;
};
type AskWorker = (request: Request) => Promise<WorkerAnswer>;

/** The headers of a request without those of its connection. */
function ofMessage(headers: IncomingHttpHeaders): [string, string][] {
  const ofConnection = new Set(["host", "connection", "content-length", "transfer-encoding"]);
  return Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    typeof value !== "string" || ofConnection.has(name) ? [] : [[name, value]],
  );
}

/** Gives a Worker a port of its own, as `wrangler dev` does. */
export async function portOf(ask: AskWorker): Promise<{ url: URL; close: () => void }> {
  const server = createServer(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    const { method = "GET", url = "/" } = request;
    const body = chunks.length === 0 ? {} : { body: Buffer.concat(chunks) };
    const headers = ofMessage(request.headers);
    const answer = await ask(new Request(`http://worker.test${url}`, { method, headers, ...body }));
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  return { url: new URL(`http://127.0.0.1:${port}`), close: () => void server.close() };
}
