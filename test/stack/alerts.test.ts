import type { Server } from "node:http";
import { Webhook } from "standardwebhooks";
import { afterAll, afterEach, beforeEach, expect, it, vi } from "vitest";
import { WATCHDOG_NAME } from "../../shared/schedule/watchdog/rules/rpc.ts";
import type { ApiEnv } from "../../workers/env.ts";
import { eventually } from "../support/eventually.ts";
import { httpServer } from "../support/http-server.ts";
import { useStack } from "./support.ts";
import { walkerOn } from "./walk.ts";

/**
 * Alerts of the three real Workers: by an email of our own queue, and to a webhook that can be
 * broken.
 */

type Posted = { text: string; key: string };
const SECRET = `whsec_${btoa("a secret of thirty-two characters")}`;

let posted: Posted[] = [];
let answer = 200;
const hooks: Server = httpServer((request, response) => {
  let body = "";
  request.on("data", (chunk: Buffer) => (body += chunk.toString()));
  request.on("end", () => {
    // Throws if the signature is wrong.
    const signed = request.headers as Record<string, string>;
    const { text } = new Webhook(SECRET).verify(body, signed) as { text: string };
    posted.push({ text, key: String(request.headers["idempotency-key"]) });
    response.writeHead(answer).end();
  });
});
await new Promise<void>((resolve) => hooks.listen(0, "127.0.0.1", resolve));
const { port } = hooks.address() as { port: number };
afterAll(() => void hooks.close());

const stack = useStack({
  ALERT_EMAIL: "oncall@example.com",
  ALERT_WEBHOOK_URL: `http://127.0.0.1:${port}/hook`,
  ALERT_RECOVERY_MINUTES: "0",
  ALERT_WEBHOOK_SECRET: SECRET,
});
const { call } = stack;

beforeEach(() => {
  posted = [];
  answer = 200;
});
afterEach(() => void vi.restoreAllMocks());

/** The notice in an email that arrived, once for each copy. */
const mailed = (): string[] =>
  stack.sink.delivered.flatMap(
    ({ email }) => /^\[Luna\] (.*)/.exec(email.subject ?? "")?.[1] ?? [],
  );

it("while luna-cron is dead the watchdog notifies by email and by webhook, /health names the task, and its return is notified too", async () => {
  const { TASK_WATCHDOG } = await stack.server.getWorker<ApiEnv>("luna-api").getEnv();
  // The last sign of luna-cron.
  await TASK_WATCHDOG.getByName(WATCHDOG_NAME).report([
    { task: "sweep-outbox", dueBy: Date.now() + 500 },
    { task: "prune-history", dueBy: Date.now() + 3_600_000 },
  ]);
  const overdue = /^Alert: the task sweep-outbox is overdue: it should have run by /;
  await eventually(() => {
    expect(mailed()).toEqual([expect.stringMatching(overdue)]);
    expect(posted.map(({ text }) => text)).toEqual([expect.stringMatching(overdue)]);
  });
  const health = await call("GET", "/health");
  expect(health).toMatchObject({
    status: 200,
    body: {
      status: "degraded",
      checks: { tasks: { status: "degraded", overdue: [{ task: "sweep-outbox" }] } },
    },
  });

  await call("POST", "/api/admin/scheduled-tasks/tick");
  await eventually(() => {
    expect(mailed()).toContain("Recovered: the task sweep-outbox runs again");
    expect(posted.at(-1)?.text).toBe("Recovered: the task sweep-outbox runs again");
  });
  expect(new Set(mailed()).size, "each is sent once").toBe(mailed().length);
  expect((await call("GET", "/health")).body.checks.tasks).toEqual({ status: "ok", overdue: [] });
});

it("a webhook that is broken fails no run and delays no email, and gets what it has missed once it answers again", async () => {
  const id = await stack.send("ada@example.com");
  await stack.until(id, "sent");
  await (
    await stack.db()
  )
    .prepare("UPDATE emails SET status = 'unknown' WHERE id = ?")
    .bind(id)
    .run();
  answer = 500;
  expect((await call("POST", "/api/admin/scheduled-tasks/tick")).body).toMatchObject({ failed: 0 });
  await eventually(() => expect(mailed()).toEqual(["Alert: 1 email may or may not have arrived"]));
  expect(posted.length).toBeGreaterThan(0);
  const before = (await call("GET", "/api/admin/alerts")).body;
  expect(before.firing).toMatchObject([{ key: "email:unknown" }]);
  expect(before.notices).toMatchObject([{ kind: "fired", emailAt: expect.any(String) }]);
  expect(before.notices[0]).not.toHaveProperty("webhookAt");

  answer = 200;
  posted = [];
  expect((await call("POST", "/api/admin/scheduled-tasks/tick")).body).toMatchObject({ failed: 0 });
  expect(posted).toEqual([
    { text: "Alert: 1 email may or may not have arrived", key: before.notices[0].id },
  ]);
  expect((await call("GET", "/api/admin/alerts")).body.notices).toMatchObject([
    { webhookAt: expect.any(String) },
  ]);
});

it("alerts-unheard: the runbook: the operator's address is suppressed, which the webhook reports; without the suppression the missing email comes too", async () => {
  const { walk, look } = walkerOn(stack);
  const address = "oncall@example.com";
  await call("POST", "/api/admin/email/suppressions", { address });
  expect((await walk("alerts-unheard", "press", "tick")).body.failed).toBe(0);
  const suppressed = "the address of ALERT_EMAIL is suppressed: no alert and no digest reaches it";
  await eventually(() => expect(posted.map(({ text }) => text)).toEqual([`Alert: ${suppressed}`]));
  await look("alerts-unheard");
  const [notice] = (await walk("alerts-unheard", "look", "listAlerts")).body.notices;
  expect(notice).toMatchObject({ key: "channel:email", webhookAt: expect.any(String) });
  expect(notice).not.toHaveProperty("emailAt");

  await walk("alerts-unheard", "press", "unsuppress", { filled: { address } });
  await walk("alerts-unheard", "press", "tick");
  await eventually(() =>
    expect(mailed()).toEqual(expect.arrayContaining([`Alert: ${suppressed}`])),
  );
  await eventually(async () => {
    const [newest] = (await walk("alerts-unheard", "look", "listAlerts")).body.notices;
    expect(newest).toMatchObject({
      kind: "recovered",
      emailAt: expect.any(String),
      webhookAt: expect.any(String),
    });
  });
});
