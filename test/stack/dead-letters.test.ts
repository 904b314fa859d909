import { expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { useStack } from "./support.ts";

const stack = useStack({ EMAIL_MAX_RETRIES: "1", EMAIL_MAX_WAIT_HOURS: "0" }, [], "file");
const { call, send, until } = stack;

it("dead-letters an email whose attempts ran out, and replays it once the mail server is back", async () => {
  const port = await stack.stopSink();
  const id = await send("ada@example.com");
  const dead = await until(id, "dead");
  expect(dead).toMatchObject({ attempts: 2, lastError: { transport: "smtp", phase: "CONN" } });
  await eventually(async () =>
    expect((await call("GET", "/api/admin/email/dlq")).body.items).toMatchObject([
      { id, reason: "exhausted" },
    ]),
  );

  await stack.restartSink(port);
  const replayed = await call("POST", "/api/admin/email/process-dlq", {});
  expect(replayed.body).toEqual({
    processed: 1,
    errors: 0,
    items: [{ id, success: true, status: "queued", attempts: 0 }],
  });
  expect(await until(id, "sent")).toMatchObject({ generation: 2, attempts: 1 });
  expect(stack.sink.copiesOf(id)).toBe(1);
  expect((await call("GET", "/api/admin/email/dlq")).body.items).toEqual([]);
});

it("sends once when two operators replay the same email at the same moment, and refuses to replay a sent one", async () => {
  stack.sink.fault = (phase) => (phase === "rcpt" ? { phase, do: "refuse", code: 550 } : null);
  const id = await send("bob@example.com");
  await until(id, "dead");
  stack.sink.fault = () => null;

  const replays = await Promise.all(
    [1, 2, 3].map(() => call("POST", "/api/admin/email/process-dlq", { ids: [id] })),
  );
  expect(replays.map(({ body }) => body.processed).toSorted()).toEqual([0, 0, 1]);
  await until(id, "sent");
  expect(stack.sink.copiesOf(id)).toBe(1);

  const again = await call("POST", "/api/admin/email/process-dlq", { ids: [id, "no-such-email"] });
  expect(again.body).toMatchObject({
    processed: 0,
    errors: 2,
    items: [
      {
        id,
        success: false,
        status: "sent",
        error: "only dead emails are replayed; this one is sent",
      },
      { id: "no-such-email", success: false, status: "not-found" },
    ],
  });
});

it("dead-letters a poison message with its body and delivers the emails of its batch", async () => {
  const env = await stack.server.getWorker<{ EMAIL_QUEUE: Queue }>("luna-api").getEnv();
  await env.EMAIL_QUEUE.sendBatch([{ body: { hello: "world" } }, { body: "not even an object" }]);
  const id = await send("carol@example.com");

  await until(id, "sent");
  await eventually(async () => {
    const { body } = await call("GET", "/api/admin/email/dlq");
    expect(
      body.items
        .map((letter: { kind: string; rawBody: string }) => [letter.kind, letter.rawBody])
        .toSorted(),
    ).toEqual([
      ["poison", '"not even an object"'],
      ["poison", '{"hello":"world"}'],
    ]);
  });
  // Only emails can be replayed.
  expect((await call("POST", "/api/admin/email/process-dlq")).body.processed).toBe(0);
});

it("loses nothing when the runtime itself dead-letters a notification, because the row is still due", async () => {
  const db = await stack.db();
  await db.prepare("ALTER TABLE email_events RENAME TO gone").run();
  const env = await stack.server.getWorker<{ EMAIL_QUEUE: Queue }>("luna-api").getEnv();
  await db
    .prepare(
      `INSERT INTO emails (id, tenant, generation_at, status, from_address, to_address, subject,
        text, due_at, ring_after, created_at, updated_at)
       VALUES ('m1', 'admin', 0, 'queued', 'Luna <hello@luna.example>', 'dave@example.com',
         'Hello', 'Hi', 0, 0, 0, 0)`,
    )
    .run();
  await env.EMAIL_QUEUE.send({ v: 1, emailId: "m1", generation: 1 });

  // Claiming fails each time, so the runtime's own max_retries run out and its dead_letter_queue
  // gets the notification.
  await eventually(() => {
    const log = stack.server.getLogs().map((entry) => entry.message);
    expect(log.filter((line) => line.includes("email.claim_failed"))).toHaveLength(4);
    expect(log.filter((line) => line.includes("dead_letter.notification"))).toHaveLength(1);
  });
  await db.prepare("ALTER TABLE gone RENAME TO email_events").run();
  expect(await stack.sweep()).toMatchObject({ notified: 1 });
  await until("m1", "sent");
  expect(stack.sink.copiesOf("m1")).toBe(1);
});
