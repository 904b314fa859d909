import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { devVars, startSettings } from "./settings.ts";

let directory = "";
let file = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "luna-settings-"));
  file = join(directory, ".dev.vars");
});
afterEach(() => rmSync(directory, { recursive: true }));

describe(".dev.vars", () => {
  it("gets a random ADMIN_TOKEN that only the user can read, and keeps it", () => {
    const first = devVars(file)["ADMIN_TOKEN"];
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(statSync(file).mode & 0o077).toBe(0);
    const written = readFileSync(file, "utf8");
    expect(devVars(file)["ADMIN_TOKEN"]).toBe(first);
    expect(readFileSync(file, "utf8")).toBe(written);
  });

  it("is never overwritten: a token is added to what stands there", () => {
    writeFileSync(file, "# mine\nEMAIL_MAX_RETRIES=5");
    const vars = devVars(file);
    expect(vars["EMAIL_MAX_RETRIES"]).toBe("5");
    expect(readFileSync(file, "utf8")).toBe(`# mine\nEMAIL_MAX_RETRIES=5\nADMIN_TOKEN=${vars["ADMIN_TOKEN"]}\n`);
  });

  it("is left alone when it names a token", () => {
    writeFileSync(file, 'ADMIN_TOKEN="a token of mine"\n');
    expect(devVars(file)["ADMIN_TOKEN"]).toBe("a token of mine");
    expect(readFileSync(file, "utf8")).toBe('ADMIN_TOKEN="a token of mine"\n');
  });
});

describe("the settings of npm start", () => {
  it("have defaults", () => {
    expect(startSettings({})).toMatchObject({ port: 8787, smtpPort: 1025, mailboxPort: 1080 });
  });

  it.each(["0", "65536", "http", "", "80 80", "1e3"])("refuse %j as a port, by name", (port) => {
    expect(() => startSettings({ MAILBOX_PORT: port })).toThrow("MAILBOX_PORT must be a port number");
  });
});
