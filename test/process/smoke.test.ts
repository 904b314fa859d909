import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort, Luna, ProcessGroup } from "./luna.ts";

/** `npm run smoke` against the real `npm start`, and against what only looks like it. */

const READONLY_TOKEN = "a-token-that-may-look-and-nothing-else";

let stateDir = "";
let luna: Luna;
let mailboxUrl = "";

beforeAll(async () => {
  stateDir = mkdtempSync(join(tmpdir(), "luna-smoke-"));
  const [port, smtpPort, mailboxPort] = await Promise.all([freePort(), freePort(), freePort()]);
  mailboxUrl = `http://127.0.0.1:${mailboxPort}`;
  luna = new Luna({
    SMTP_HOST: "",
    PORT: String(port),
    SMTP_PORT: String(smtpPort),
    MAILBOX_PORT: String(mailboxPort),
    STATE_DIR: stateDir,
    READONLY_TOKEN,
  });
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
  const all = await smoke([luna.url, "--write", "--mail-to", "oncall@example.com"], {
    LUNA_TOKEN: luna.token,
  });
  expect(all, all.output).toMatchObject({ code: 0 });
  const checks = [anonymous, looking, all].map(({ output }) =>
    Number(/^(\d+) checks passed/m.exec(output)?.[1]),
  );
  expect(checks).toEqual(checks.toSorted((one, other) => one - other));
  expect(new Set(checks).size, "a token shows more, and --write does more").toBe(3);
});

it("its user and suppression are gone afterwards, and nobody got an email but who was named", async () => {
  const inbox = await (
    await fetch(`${mailboxUrl}/api/email`)
  ).json<{ subject: string; to: { address: string }[] }[]>();
  // What Luna tells its operator depends on when this runs.
  const emails = inbox.filter(({ subject }) => !subject.startsWith("[Luna]"));
  expect(emails.flatMap(({ to }) => to.map(({ address }) => address))).toEqual([
    "oncall@example.com",
  ]);
  const { body } = await luna.call("GET", "/api/admin/email/suppressions");
  expect(body.items).toEqual([]);
  const written = await luna.call("GET", "/api/emails");
  const welcome = written.body.items.find(({ to }: { to: string }) => to.startsWith("smoke-"));
  expect(welcome).toMatchObject({ status: "suppressed" });
  expect((await luna.call("GET", `/api/users/${welcome.to.split("@")[0]}`)).status).toBe(404);
});

it("a wrong token fails, by name", async () => {
  const { code, output } = await smoke([luna.url, "--token", "wrong".repeat(8)]);
  expect(code).toBe(1);
  expect(output).toMatch(/✗ every circuit breaker answers.*\n.*answered 401/);
  expect(output).toMatch(/\d+ of \d+ checks failed/);
});

it("a server that says yes to everything fails, asked for the version that is meant each time", async () => {
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

it("where nothing answers, that is said once; a missing url is asked for", async () => {
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
