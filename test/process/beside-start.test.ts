import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { freePort, Luna, ofItsOwn, ProcessGroup } from "./luna.ts";

/**
 * Commands that work with the real `npm start`, all with one: `npm run smoke`, also against what
 * only looks like it, and `npm run example`.
 */

const READONLY_TOKEN = "a-token-that-may-look-and-nothing-else";

let stateDir = "";
let luna: Luna;
let mailboxUrl = "";
let ports: Record<string, string> = {};

beforeAll(async () => {
  stateDir = mkdtempSync(join(tmpdir(), "luna-smoke-"));
  const [port, smtpPort, mailboxPort] = await Promise.all([freePort(), freePort(), freePort()]);
  mailboxUrl = `http://127.0.0.1:${mailboxPort}`;
  ports = { PORT: String(port), SMTP_PORT: String(smtpPort), MAILBOX_PORT: String(mailboxPort) };
  luna = new Luna({ SMTP_HOST: "", ...ports, STATE_DIR: stateDir, READONLY_TOKEN });
  await luna.ready();
});
afterAll(async () => {
  await luna.destroy();
  rmSync(stateDir, { recursive: true, force: true });
});

async function smoke(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; output: string }> {
  const run = new ProcessGroup(process.execPath, ["scripts/smoke.ts", ...args], {
    LUNA_TOKEN: "",
    ...env,
  });
  const code = await run.exited;
  return { code, output: run.output };
}

it("a deployment that is well passes without a token, with one that may look, and with the admin's", async () => {
  const anonymous = await smoke([luna.url]);
  expect(anonymous, anonymous.output).toMatchObject({ code: 0 });
  const looking = await smoke([luna.url, "--token", READONLY_TOKEN]);
  expect(looking, looking.output).toMatchObject({ code: 0 });
  const acts = ["--write", "--run-task", "--mail-to", "oncall@example.com"];
  const all = await smoke([luna.url, ...acts], { LUNA_TOKEN: luna.token });
  expect(all, all.output).toMatchObject({ code: 0 });
  const checks = [anonymous, looking, all].map(({ output }) =>
    Number(/^(\d+) checks passed/m.exec(output)?.[1]),
  );
  expect(checks).toEqual(checks.toSorted((one, other) => one - other));
  expect(new Set(checks).size, "a token shows more, and --write does more").toBe(3);
});

it("its user and suppression are gone afterwards, and only the address of --mail-to got an email", async () => {
  const inbox = await (
    await fetch(`${mailboxUrl}/api/email`)
  ).json<{ subject: string; to: { address: string }[] }[]>();
  // What Luna recommends to its operator depends on when this runs.
  const emails = inbox.filter(({ subject }) => !subject.startsWith("[Luna]"));
  expect(emails.flatMap(({ to }) => to.map(({ address }) => address))).toEqual([
    "oncall@example.com",
  ]);
  const { body } = await luna.call("GET", "/api/admin/email/suppressions");
  expect(body.items).toEqual([]);
  const written = await luna.call("GET", "/api/emails");
  const toUser: { to: string; status: string }[] = written.body.items.filter(
    ({ to }: { to: string }) => to.startsWith("smoke-"),
  );
  expect(new Set(toUser.map(({ status }) => status))).toEqual(new Set(["suppressed"]));
  const userId = toUser[0]?.to.split("@")[0];
  expect((await luna.call("GET", `/api/users/${userId}`)).status).toBe(404);
});

it("a wrong token fails, by name", async () => {
  const { code, output } = await smoke([luna.url, "--token", "wrong".repeat(8)]);
  expect(code).toBe(1);
  expect(output).toMatch(/✗ every circuit breaker answers.*\n.*answered 401/);
  expect(output).toMatch(/\d+ of \d+ checks failed/);
});

it("a token that only reads cannot run a task: the check names the status", async () => {
  const { code, output } = await smoke([luna.url, "--token", READONLY_TOKEN, "--run-task"]);
  expect(code).toBe(1);
  expect(output).toMatch(/✗ luna-cron runs a task.*\n.*answered 403/);
});

it("a server that answers 200 to everything fails, and each request names the version", async () => {
  const asked: unknown[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers["cloudflare-workers-version-overrides"]);
    response.writeHead(200, { "Content-Type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const pinned = 'luna-api="f00d"';
  const { code, output } = await smoke(
    [
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      "--token",
      "any".repeat(8),
      "--write",
    ],
    {
      LUNA_VERSION_OVERRIDES: pinned,
    },
  );
  server.close();
  expect(code).toBe(1);
  expect(output).not.toContain("✓");
  expect(new Set(asked)).toEqual(new Set([pinned]));
});

it("if nothing answers, there is one error; a missing url is an error with the usage", async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const nothing = await smoke([url]);
  expect(nothing.code).toBe(1);
  expect(nothing.output.match(/✗/g)).toHaveLength(1);
  expect(nothing.output).toMatch(
    new RegExp(`fetch failed: ECONNREFUSED\\n\\nnothing answers at ${url}: `),
  );
  for (const args of [[], ["localhost:8787"]]) {
    const { code, output } = await smoke(args);
    expect(code).toBe(1);
    expect(output).toContain("which deployment?");
  }
});

describe("npm run example", () => {
  let example: ProcessGroup | null = null;
  afterEach(async () => await example?.destroy());
  const run = (args: string[], env: Record<string, string> = {}): ProcessGroup => {
    const all = { ...ofItsOwn({ ...ports, STATE_DIR: stateDir }), ...env };
    return (example = new ProcessGroup("npm", ["run", "example", "--", ...args], all));
  };

  it("without a running Luna, or with the state of another, is an error with what to do", async () => {
    const alone = run([], { PORT: String(await freePort()) });
    expect(await alone.exited).toBe(1);
    expect(alone.output).toMatch(/luna: nothing answers at .*\. Run npm start in another terminal/);
    const elsewhere = run([], { STATE_DIR: join(stateDir, "elsewhere") });
    expect(await elsewhere.exited).toBe(1);
    expect(elsewhere.output).toContain("Set the same STATE_DIR here");
  });

  it("runs the storefront on Luna's objects, queues, RPC and KV, and ends on Ctrl-C", async () => {
    const port = await freePort();
    const shop = run(["--port", String(port)]);
    await Promise.race([
      eventually(() => expect(shop.output).toMatch(/^ready http/m)),
      shop.exited.then(() => Promise.reject(new Error(shop.output))),
    ]);
    const commands = shop.output.split("\n").filter((line) => /^(curl|for) /.test(line));
    const ask = async (path: string, method = "GET"): Promise<Response> =>
      await fetch(`http://127.0.0.1:${port}${path}`, { method });
    expect((await ask("/price?sku=tea")).headers.get("Cache-Status")).toContain("stored");
    expect((await ask("/price?sku=tea")).headers.get("Cache-Status")).toContain("hit");
    const stored = readdirSync(join(stateDir, "v3/kv"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.includes("/blobs/"))
      .map((name) => readFileSync(join(stateDir, "v3/kv", name), "utf8"));
    expect(stored.some((text) => text.includes('"sku":"tea"'))).toBe(true);

    const printed = (part: string): string => commands.find((one) => one.includes(part)) ?? "";
    const shell = async (command: string): Promise<string> =>
      (await promisify(execFile)("sh", ["-c", command])).stdout;
    expect(JSON.parse(await shell(printed("/order")))).toEqual({ orderId: "1", isNew: true });
    expect(JSON.parse(await shell(printed("/shipped")))).toEqual({ id: expect.any(String) });
    await eventually(async () =>
      expect(
        (await (await fetch(`${mailboxUrl}/api/email`)).json<{ subject: string }[]>()).map(
          ({ subject }) => subject,
        ),
      ).toEqual(expect.arrayContaining(["Your order 1", "Order 1 is on its way"])),
    );
    await shell(printed("/down"));
    await shell(printed("for n"));
    await eventually(async () =>
      expect(JSON.parse(await shell(printed("prices-health")))).toMatchObject({ state: "OPEN" }),
    );
    await shell(printed("/up"));

    process.kill(-shop.pid, "SIGINT");
    expect(await shop.exited, shop.output).toBe(0);
    expect((await luna.call("GET", "/health")).status).toBe(200);
  });
});
