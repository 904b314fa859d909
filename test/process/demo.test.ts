import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../shared/contract/client/client.ts";
import { sendEmails } from "../../shared/contract/emails.ts";
import { eventually } from "../support/eventually.ts";
import { freePort, Luna, ofItsOwn, ProcessGroup } from "./luna.ts";

/**
 * The tours that `npm run demo` gives of one `npm start`, after each other: what one of them leaves
 * behind is there for the next.
 */

let stateDir = "";
let env: Record<string, string> = {};
let luna: Luna;
let demo: ProcessGroup | null = null;

beforeAll(async () => {
  stateDir = mkdtempSync(join(tmpdir(), "luna-demo-"));
  const [port, smtpPort, mailboxPort] = await Promise.all([freePort(), freePort(), freePort()]);
  env = {
    SMTP_HOST: "",
    ALERT_EMAIL: "",
    PORT: String(port),
    SMTP_PORT: String(smtpPort),
    MAILBOX_PORT: String(mailboxPort),
    STATE_DIR: stateDir,
  };
  luna = await new Luna({
    ...env,
    BREAKER_OPEN_SECONDS: "3",
    BREAKER_WINDOW_SECONDS: "10",
  }).ready();
});
afterEach(async () => await demo?.destroy());
afterAll(async () => {
  await luna.destroy();
  rmSync(stateDir, { recursive: true, force: true });
});

function runDemo(changes: Record<string, string> = {}): ProcessGroup {
  demo = new ProcessGroup("npm", ["run", "demo"], ofItsOwn({ ...env, ...changes }));
  return demo;
}

const inbox = async (): Promise<unknown[]> =>
  await (await fetch(`http://127.0.0.1:${env["MAILBOX_PORT"]}/api/email`)).json<unknown[]>();

const mailServerStopped = async (tour: ProcessGroup): Promise<void> => {
  await eventually(() => expect(tour.output).toContain("✓ the mail server is stopped"));
  await expect(inbox()).rejects.toThrow("fetch failed");
};

const allBreakersClosed = async (): Promise<void> => {
  const { body } = await luna.call("GET", "/api/admin/circuit-breakers");
  expect(body.items.filter(({ state }: { state: string }) => state !== "CLOSED")).toEqual([]);
};

describe("npm run demo", () => {
  it("prints what to do if nothing is running", async () => {
    const tour = runDemo({ PORT: String(await freePort()) });
    expect(await tour.exited).toBe(1);
    expect(tour.output).toMatch(
      /nothing answers at http:\/\/localhost:\d+\. Run npm start in another terminal first/,
    );
  });

  it("fails if a check fails, and restores what it broke", async () => {
    const tour = runDemo();
    await mailServerStopped(tour);
    // Its next emails are refused: other emails were sent under their key.
    const tag = /demo-([0-9a-f]+)-ada/.exec(tour.output)?.[1] ?? "";
    const emails = [{ to: "bob@example.com", subject: "Not of the tour", text: "Hello" }];
    await createClient({ baseUrl: luna.url, token: luna.token })(sendEmails, {
      body: { emails },
      idempotencyKey: `demo-${tag}-waits`,
    });
    expect(await tour.exited, tour.output).toBe(1);
    expect(tour.output).toMatch(/✗ 6 more emails are accepted/);
    expect(tour.output).toMatch(/^The tour failed after .*: 1 of 6 emails were refused$/m);
    expect(tour.output).not.toContain("checks passed");
    expect(await inbox(), "the mailbox is back").not.toEqual([]);
    await allBreakersClosed();
    expect((await luna.call("GET", `/api/users/demo-${tag}-ada`)).status, "its user is gone").toBe(
      404,
    );
  });

  it("restores what it broke when Ctrl-C ends it", async () => {
    const tour = runDemo();
    await mailServerStopped(tour);
    process.kill(-tour.pid, "SIGINT");
    expect(await tour.exited).not.toBe(0);
    expect(tour.output).toMatch(/^Interrupted after .*\. Everything was restored\.$/m);
    expect(await inbox()).not.toEqual([]);
    await allBreakersClosed();
  });

  it("passes every check, also after tours that failed", async () => {
    const tour = runDemo();
    expect(await tour.exited, tour.output).toBe(0);
    expect(tour.output).toMatch(
      new RegExp(
        [
          "^All \\d{2} checks passed in [\\d.]+ s: ",
          "(\\d+) emails accepted, \\1 sent, \\1 arrived, 0 twice; \\d probes?; ",
          "2 alert emails; (\\d+) reads while KV failed, \\2 answered$",
        ].join(""),
        "m",
      ),
    );
    expect(tour.output).not.toContain("✗");
    // At its end the tour deletes its user, who is notified of that.
    await eventually(async () => {
      const { body } = await luna.call("GET", "/health");
      expect(body).toMatchObject({
        status: "ok",
        checks: { cache: { owedPurges: 0 }, email: { dead: 0, unknown: 0, queued: 0 } },
      });
    });
  });
});
