import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { filesOn } from "../support/code-blocks.ts";
import { eventually } from "../support/eventually.ts";
import { httpServer } from "../support/http-server.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { manifestIn, projectWithTarball } from "../support/installed.ts";
import { writeGuides } from "./guide-workers.ts";
import { SECRETS_KEY, testGuides } from "./guides.ts";
import { useStack } from "./support.ts";

/**
 * Another product's Workers, which have nothing of Luna except the tarball of `npm pack`: the
 * examples, in a folder outside the checkout, beside the real three.
 */

const own = ["@cloudflare/workers-types", "typescript", "valibot"];
/** What pages of the docs install besides. */
const ofPages = ["jose", "standardwebhooks"];
const project = await projectWithTarball([...own, ...ofPages]);
afterAll(() => rmSync(project, { recursive: true, force: true }));
const installed = join(project, "node_modules/luna-backend");
for (const example of ["storefront", "standalone"])
  cpSync(join("examples", example), join(project, example), { recursive: true });

/** The examples in the docstrings of what the package exports, each as a file. */
const documented = [
  "shared/lib/circuit-breaker/guard.ts",
  "shared/lib/cache/open.ts",
  "shared/contract/client/index.ts",
  "shared/contract/client/rpc.ts",
  "shared/email/rpc.ts",
];
const docstringExamples = documented.flatMap((file) =>
  [...readFileSync(file, "utf8").matchAll(/^ \* {5}import (?:.*\n)(?: \*(?: {5}.*)?\n)*/gm)].map(
    ([example]) => example.replaceAll(/^ \*(?: {5})?/gm, ""),
  ),
);
mkdirSync(join(project, "docstrings"));
for (const [n, example] of docstringExamples.entries())
  writeFileSync(join(project, `docstrings/docstring-${n}.ts`), example);

const text = (file: string): string => readFileSync(join(installed, "dist/lib", file), "utf8");
const built = readdirSync(join(installed, "dist/lib")).toSorted();
const isScript = (file: string): boolean => file.endsWith(".js");
const isDeclaration = (file: string): boolean => file.endsWith(".d.ts");

/** What a built file imports, with its own chunks and what is exported again. */
const importsOf = (file: string): string[] =>
  [...text(file).matchAll(/^(?:(?:import|export)\b[^;]*?\bfrom|import) "([^"\n]+)";$/gm)].map(
    ([, specifier]) => specifier ?? "",
  );

/** The entry, and each chunk that it loads. */
function filesOf(entry: string): string[] {
  const files = new Set([entry]);
  for (const file of files)
    for (const specifier of importsOf(file))
      if (specifier.startsWith("./")) files.add(specifier.slice(2));
  return [...files];
}

/** The source files in a bundle: a comment names each. */
const sourcesIn = (entry: string): string[] =>
  filesOf(entry).flatMap((file) =>
    [...text(file).matchAll(/^\/\/ (\S+\.ts)$/gm)].map(([, source]) => source ?? ""),
  );

/** Two services that can be broken. */
let answer: { status: number; cents: number } = { status: 200, cents: 100 };
let asked = 0;
const services = httpServer((request, response) => {
  asked += 1;
  const [, name, id] = (request.url ?? "").split("/");
  response.writeHead(answer.status, { "Content-Type": "application/json" });
  response.end(
    JSON.stringify(
      name === "prices"
        ? { sku: id, cents: answer.cents }
        : { currency: id, perEuro: answer.cents / 100 },
    ),
  );
});
await new Promise<void>((done) => services.listen(0, "127.0.0.1", done));
const { port } = services.address() as { port: number };
afterAll(() => void services.close());

const stack = useStack(
  { SECRETS_KEY, OUTBOUND_ALLOW_LOOPBACK: "true" },
  [
    {
      configPath: join(project, "storefront/wrangler.toml"),
      vars: { PRICES_URL: `http://127.0.0.1:${port}/prices` },
      secrets: { ADMIN_TOKEN },
    },
    {
      configPath: join(project, "standalone/wrangler.toml"),
      vars: { RATES_URL: `http://127.0.0.1:${port}/rates` },
    },
    ...writeGuides(project, port),
  ],
  "file",
);
beforeEach(() => {
  answer = { status: 200, cents: 100 };
  asked = 0;
});

const askWorker = (worker: string) => async (method: string, path: string) => {
  const response = await stack.server
    .getWorker(worker)
    .fetch(`http://shop.test${path}`, { method });
  const body = await response.text();
  return {
    status: response.status,
    how: response.headers.get("Cache-Status"),
    body: (body === "" ? null : JSON.parse(body)) as Record<string, unknown>,
  };
};

describe("the tarball", () => {
  const entries = ["cache", "circuit-breaker", "client", "rpc"];

  it("holds the built entries with their declarations, and three documents", () => {
    expect(readdirSync(installed).toSorted()).toEqual([
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "dist",
      "node_modules",
      "package.json",
    ]);
    expect(readdirSync(join(installed, "dist"))).toEqual(["lib"]);
    expect(built).toEqual(expect.arrayContaining(entries.map((entry) => `${entry}.js`)));
    expect(built).toEqual(expect.arrayContaining(entries.map((entry) => `${entry}.d.ts`)));
    expect(built.filter((file) => !isScript(file) && !isDeclaration(file))).toEqual([]);
  });

  it("imports the Workers runtime and its own dependencies, and nothing else", () => {
    const dependencies = Object.keys(manifestIn(installed).dependencies ?? {}).toSorted();
    const external = (files: string[]): string[] =>
      [...new Set(files.flatMap(importsOf))].filter((name) => !name.startsWith("./")).toSorted();
    expect(external(built.filter(isScript))).toEqual(["cloudflare:workers", ...dependencies]);
    expect(external(built.filter(isDeclaration))).toEqual(["cloudflare:workers", "valibot"]);
    expect(built.filter((file) => text(file).includes("/// <reference"))).toEqual([]);
  });

  it.each(["circuit-breaker", "cache"])("has nothing of the product in %s", (entry) => {
    const sources = sourcesIn(`${entry}.js`);
    expect(sources).toContain("shared/lib/circuit-breaker/guard.ts");
    expect(sources.filter((source) => !source.startsWith("shared/lib/"))).toEqual([]);
    for (const file of filesOf(`${entry}.js`)) expect(text(file)).not.toContain("luna_");
  });

  it("has a client that runs in Node, without the runtime of Workers", async () => {
    expect(filesOf("client.js").flatMap(importsOf)).not.toContain("cloudflare:workers");
    const script = `
      import { createClient, getHealth } from "luna-backend/client";
      const down = async () => Response.json({}, { status: 503 });
      const luna = createClient({ baseUrl: "https://luna.test", fetch: down });
      console.log(JSON.stringify(await luna(getHealth)));`;
    writeFileSync(join(project, "ask.mjs"), script);
    const { stdout } = await promisify(execFile)("node", ["ask.mjs"], { cwd: project });
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, status: 503 });
  });
});

describe("a project that installs it", () => {
  const tsc = async (): Promise<string> => {
    const compiler = join(project, "node_modules/typescript/bin/tsc");
    return await promisify(execFile)("node", [compiler, "-p", project]).then(
      () => "",
      (error: { stdout: string }) => error.stdout,
    );
  };

  it("has an example in each docstring that introduces an export", () => {
    expect(docstringExamples.length).toBeGreaterThan(documented.length);
  });

  it("type-checks under strict: examples, pages of the docs, declarations, and narrow bindings", async () => {
    cpSync("test/stack/fixtures/narrow-env.ts", join(project, "standalone/narrow-env.ts"));
    const { compilerOptions } = JSON.parse(
      filesOn("develop-locally").get("tsconfig.json") ?? "",
    ) as {
      compilerOptions: object;
    };
    const config = { compilerOptions: { ...compilerOptions, skipLibCheck: false }, include: ["."] };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify(config));
    // The declarations of other packages are not checked.
    const others = new RegExp(`^node_modules/(?:${ofPages.join("|")})/`);
    expect((await tsc()).split("\n").filter((line) => line !== "" && !others.test(line))).toEqual(
      [],
    );
  });

  it("names what it depends on, and installs the tarball of this version", () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    for (const example of ["storefront", "standalone"]) {
      const { dependencies, devDependencies } = manifestIn(join("examples", example));
      expect(dependencies?.["luna-backend"]).toBe(`file:../../luna-backend-${version}.tgz`);
      expect(Object.keys({ ...dependencies, ...devDependencies }).toSorted()).toEqual(
        [...own, "luna-backend", "wrangler"].toSorted(),
      );
      const pinned = { ...manifestIn(".").devDependencies };
      expect(pinned).toMatchObject(devDependencies ?? {});
    }
  });
});

describe("the storefront, beside Luna", () => {
  const ask = askWorker("storefront");

  it("signs up by RPC, sends emails by queue and by RPC, each once", async () => {
    const order = "/order?customer=ada&email=ada@example.com&id=1";
    expect(await ask("POST", order)).toMatchObject({ status: 202, body: { isNew: true } });
    expect(await ask("POST", order)).toMatchObject({ status: 202, body: { isNew: false } });
    expect((await ask("POST", "/order?customer=&email=nonsense&id=2")).body).toMatchObject({
      type: "urn:luna:problem:invalid",
      errors: [{ path: "userId" }, { path: "email" }],
    });
    const shipped = "/shipped?email=ada@example.com&id=1";
    const first = await ask("POST", shipped);
    expect(first).toMatchObject({ status: 202, body: { id: expect.any(String) } });
    expect(await ask("POST", shipped)).toEqual(first);
    expect(await ask("POST", "/shipped?email=nonsense&id=2")).toMatchObject({
      status: 422,
      body: { error: "invalid" },
    });
    await eventually(() =>
      expect(stack.sink.delivered.map(({ email }) => email.subject).toSorted()).toEqual([
        "Order 1 is on its way",
        "Welcome to Luna, ada",
        "Your order 1",
      ]),
    );
    expect((await stack.call("GET", "/api/users/ada")).body.user).toMatchObject({
      email: "ada@example.com",
    });
  });

  it("serves prices from the fleet's cache, and new ones after a purge by tag", async () => {
    expect(await ask("GET", "/price?sku=tea")).toMatchObject({ status: 200, body: { cents: 100 } });
    expect(await ask("GET", "/price?sku=tea")).toMatchObject({
      how: expect.stringContaining("hit"),
      body: { cents: 100 },
    });
    expect(asked).toBe(1);
    answer.cents = 120;
    expect((await ask("POST", "/prices-changed")).body).toMatchObject({ ok: true });
    expect((await ask("GET", "/price?sku=tea")).body).toMatchObject({ cents: 120 });
  });

  it("stops asking a service that is down, and an operator sees it by RPC", async () => {
    answer.status = 500;
    for (let n = 0; n < 8; n += 1)
      expect((await ask("GET", `/price?sku=none-${n}`)).status).toBe(503);
    await eventually(async () =>
      expect((await ask("GET", "/prices-health")).body).toMatchObject({ state: "OPEN" }),
    );
    const before = asked;
    expect((await ask("GET", "/price?sku=another")).status).toBe(503);
    expect(asked).toBe(before);
  });

  it("has its breaker beside Luna's, by its name alone: state, health, metrics, history, verbs", async () => {
    const path = "/api/admin/circuit-breakers";
    const listed = async () =>
      (await stack.call("GET", path)).body.items.find(
        ({ name }: { name: string }) => name === "prices",
      );
    await eventually(async () =>
      expect(await listed()).toMatchObject({ state: "OPEN", used: true, outage: {} }),
    );
    expect((await stack.call("GET", "/health")).body).toMatchObject({
      status: "degraded",
      checks: { breakers: { states: { prices: "OPEN", cache: "CLOSED" } } },
    });
    const metrics = await stack.server.fetch("/metrics", {
      headers: { Authorization: `Bearer ${ADMIN_TOKEN}` },
    });
    expect(await metrics.text()).toContain(
      'luna_circuit_breaker_state{dependency="prices",state="open"} 1',
    );
    const reset = await stack.call("POST", `${path}/prices/reset`, { reason: "it is back" });
    expect(reset).toMatchObject({ status: 200, body: { name: "prices", state: "CLOSED" } });
    expect((await stack.call("GET", `${path}/prices/history`)).body.items).toMatchObject([
      { cause: "reset" },
      { cause: "threshold" },
    ]);
    await eventually(async () => expect(await listed()).toMatchObject({ state: "CLOSED" }));
    expect((await stack.call("GET", "/health")).body).toMatchObject({ status: "ok" });
  });
});

describe("a Worker that hosts the objects itself", () => {
  const ask = askWorker("standalone");

  it("guards and caches with its own objects", async () => {
    const tea = { currency: "USD", perEuro: 1 };
    expect(await ask("GET", "/rate?currency=USD")).toMatchObject({ status: 200, body: tea });
    expect(await ask("GET", "/rate?currency=USD")).toMatchObject({
      how: expect.stringContaining("hit"),
      body: tea,
    });
    answer.cents = 200;
    expect((await ask("POST", "/rates-changed")).body).toMatchObject({ ok: true });
    expect((await ask("GET", "/rate?currency=USD")).body).toMatchObject({ perEuro: 2 });
    answer.status = 500;
    for (let n = 0; n < 8; n += 1)
      expect((await ask("GET", `/rate?currency=none-${n}`)).status).toBe(503);
    await eventually(async () =>
      expect((await ask("GET", "/health")).body).toMatchObject({ state: "OPEN" }),
    );
    const breakers = (await stack.call("GET", "/api/admin/circuit-breakers")).body;
    expect(JSON.stringify(breakers)).not.toContain('"rates"');
  });
});

testGuides({ stack, project, setService: (status) => void (answer.status = status) });
