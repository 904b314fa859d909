import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { freePort, Luna } from "./luna.ts";

let stateDir = "";
let env: Record<string, string> = {};
let luna: Luna | null = null;

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), "luna-start-"));
  const [port, smtpPort, mailboxPort] = await Promise.all([freePort(), freePort(), freePort()]);
  // SMTP_HOST is left empty as in .dev.vars.example, which counts as not set.
  env = {
    SMTP_HOST: "",
    PORT: String(port),
    SMTP_PORT: String(smtpPort),
    MAILBOX_PORT: String(mailboxPort),
    STATE_DIR: stateDir,
  };
});

afterEach(async () => {
  await luna?.destroy();
  luna = null;
  rmSync(stateDir, { recursive: true, force: true });
});

const start = async (changes: Record<string, string> = {}): Promise<Luna> => {
  luna = new Luna({ ...env, ...changes });
  return await luna.ready();
};

async function inbox(): Promise<{ subject: string; headers: Record<string, string> }[]> {
  const response = await fetch(`http://127.0.0.1:${env["MAILBOX_PORT"]}/api/email`);
  const emails = await response.json<{ subject: string; headers: Record<string, string> }[]>();
  // What Luna recommends to its operator depends on when this runs.
  return emails.filter(({ subject }) => !subject.startsWith("[Luna]"));
}

/**
 * The port is one that the system also gives to connections: another test's may have it for a
 * moment.
 */
const becomesFree = async (name: string): Promise<boolean> => {
  await eventually(async () => {
    const server = createServer().listen(Number(env[name]), "127.0.0.1");
    await once(server, "listening");
    server.close();
  });
  return true;
};

async function refusesASecondRun(): Promise<void> {
  const ports = {
    PORT: String(await freePort()),
    SMTP_PORT: String(await freePort()),
    MAILBOX_PORT: String(await freePort()),
  };
  const second = new Luna({ ...env, ...ports });
  expect(await second.exitCode()).toBe(1);
  expect(second.output).toContain(`another npm start uses ${stateDir}`);
}

describe("npm start", () => {
  // It brings a new user's email into the mailbox, refuses a second run on its state, ends all of
  // itself on SIGTERM, keeps its state, and leaves no process behind when npm or script is killed.
  it("serves, ends and starts again without losing state or leaving a process", async () => {
    const first = await start();
    expect(first.output.split(first.token), "the token is printed once").toHaveLength(2);
    expect(first.token).toMatch(/^\S{32,}$/);
    expect(readFileSync(join(stateDir, ".dev.vars"), "utf8")).toContain(first.token);

    expect(
      (await first.call("POST", "/api/users", { userId: "ada", email: "ada@example.com" })).status,
    ).toBe(201);
    await eventually(async () =>
      expect((await inbox()).map((email) => email.subject)).toEqual(["Welcome to Luna, ada"]),
    );
    await eventually(() => expect(first.output).toContain('"task":"sweep-outbox"'));

    await refusesASecondRun();
    expect((await first.call("GET", "/health")).status).toBe(200);

    expect(await first.signal("SIGTERM")).toBe(0);
    expect(await Promise.all(["PORT", "SMTP_PORT", "MAILBOX_PORT"].map(becomesFree))).toEqual([
      true,
      true,
      true,
    ]);

    const second = await start();
    expect(second.token).toBe(first.token);
    expect((await second.call("GET", "/api/users/ada")).body.user).toMatchObject({
      email: "ada@example.com",
    });
    expect((await inbox()).map((email) => email.subject)).toEqual(["Welcome to Luna, ada"]);
    await second.signal("SIGKILL", "npm");
    expect(await becomesFree("PORT")).toBe(true);

    const third = await start();
    expect((await third.call("GET", "/api/users/ada")).status).toBe(200);
    await third.signal("SIGKILL", "script");
    expect(await becomesFree("PORT")).toBe(true);
  });

  it("ends without an error and without a process when Ctrl-C comes while it starts or once it is ready", async () => {
    for (const moment of [300, 900, 1_500, 2_100, 2_700, "ready"] as const) {
      luna = new Luna(env);
      if (moment === "ready") await luna.ready();
      else await new Promise((resolve) => setTimeout(resolve, moment));
      const code = await luna.signal("SIGINT", "group");
      expect(code, `${moment}: ${luna.output}`).not.toBe(1);
      expect(luna.output).not.toContain("luna:");
    }
  });

  it.each(["PORT", "SMTP_PORT", "MAILBOX_PORT"])(
    "names the port that is taken and how to choose another: %s",
    async (name) => {
      const squatter = createServer().listen(Number(env[name]), "127.0.0.1");
      await once(squatter, "listening");
      luna = new Luna(env);
      expect(await luna.exitCode()).toBe(1);
      squatter.close();
      expect(luna.output).toContain(`port ${env[name]} is taken`);
      expect(luna.output).toContain(`${name}=<port> npm start`);
      expect(existsSync(join(stateDir, "v3"))).toBe(false);
    },
  );

  it("refuses two equal ports", async () => {
    luna = new Luna({ ...env, SMTP_PORT: env["PORT"] ?? "" });
    expect(await luna.exitCode()).toBe(1);
    expect(luna.output).toContain("PORT, SMTP_PORT, MAILBOX_PORT must differ");
  });

  it("refuses a port that is none", async () => {
    luna = new Luna({ ...env, PORT: "http" });
    expect(await luna.exitCode()).toBe(1);
    expect(luna.output).toContain('PORT must be a port number from 1 to 65535, not "http"');
  });
});
