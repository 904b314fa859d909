import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  checkVariables,
  ensureAdminToken,
  readDevVars,
  startSettings,
  variablesIn,
} from "./settings.ts";

let directory = "";
let file = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "luna-settings-"));
  file = join(directory, ".dev.vars");
});
afterEach(() => rmSync(directory, { recursive: true }));

describe(".dev.vars", () => {
  it("gets a random ADMIN_TOKEN that only the user can read, and keeps it", () => {
    const first = ensureAdminToken(file);
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(statSync(file).mode & 0o077).toBe(0);
    const written = readFileSync(file, "utf8");
    expect(ensureAdminToken(file)).toBe(first);
    expect(readDevVars(file)).toEqual({ ADMIN_TOKEN: first });
    expect(readFileSync(file, "utf8")).toBe(written);
  });

  it("is never overwritten: a token is added to what stands there", () => {
    writeFileSync(file, "# mine\nEMAIL_MAX_RETRIES=5");
    const token = ensureAdminToken(file);
    expect(readFileSync(file, "utf8")).toBe(`# mine\nEMAIL_MAX_RETRIES=5\nADMIN_TOKEN=${token}\n`);
  });

  it("is left alone when it names a token", () => {
    writeFileSync(file, 'ADMIN_TOKEN="a token of mine"\n');
    expect(ensureAdminToken(file)).toBe("a token of mine");
    expect(readFileSync(file, "utf8")).toBe('ADMIN_TOKEN="a token of mine"\n');
  });
});

describe("the settings of npm start", () => {
  it("have defaults, also for what is left empty", () => {
    expect(startSettings({ PORT: "", STATE_DIR: "" })).toEqual(startSettings({}));
    expect(startSettings({}).stateDir).toMatch(/\.wrangler[\\/]state$/);
    expect(startSettings({})).toMatchObject({ port: 8787, smtpPort: 1025, mailboxPort: 1080 });
  });

  it.each(["0", "65536", "http", "80 80", "1e3"])("refuse %j as a port, by name", (port) => {
    expect(() => startSettings({ MAILBOX_PORT: port })).toThrow(
      "MAILBOX_PORT must be a port number",
    );
  });
});

describe("variables", () => {
  it("of the Workers are taken from the environment, except the token, and nothing else", () => {
    const taken = {
      OBJECT_LOCATION_HINT: "weur",
      ADMIN_TOKEN_PREVIOUS: "x".repeat(32),
      CACHE_TTL_SECONDS: "1",
    };
    expect(
      variablesIn({ ...taken, ADMIN_TOKEN: "y".repeat(32), CACHE_DIR: "/tmp", PATH: "/bin" }),
    ).toEqual(taken);
  });

  const good = {
    ADMIN_TOKEN: "x".repeat(32),
    EMAIL_FROM: "Luna <hello@luna.example>",
    SMTP_HOST: "127.0.0.1",
    SMTP_SECURITY: "none",
    PUBLIC_URL: "http://localhost:8787",
    UNSUBSCRIBE_SECRET: "y".repeat(32),
  };

  it("that the Workers would refuse are named before anything starts", () => {
    expect(() => checkVariables(good)).not.toThrow();
    expect(() => checkVariables({ ...good, ADMIN_TOKEN: "short" })).toThrow(
      "ADMIN_TOKEN must have at least 32 characters",
    );
    expect(() => checkVariables({ ...good, EMAIL_MAX_RETRIES: "many" })).toThrow(
      "EMAIL_MAX_RETRIES",
    );
    expect(() => checkVariables({ ...good, PUBLIC_URL: "localhost" })).toThrow(
      "PUBLIC_URL must be a URL",
    );
    expect(() => checkVariables({ ...good, PUBLIC_URL: "https://a.example/path" })).toThrow(
      "PUBLIC_URL must be a URL without a path",
    );
    expect(() => checkVariables({ ...good, SMTP_HOST: "smtp.example.com" })).toThrow(
      "SMTP_SECURITY",
    );
  });
});
