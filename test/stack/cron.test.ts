import { expect, it } from "vitest";
import { useStack } from "./support.ts";

const stack = useStack();
const { call, until } = stack;

/** A mail that is due and for which nobody ever rang. */
async function forgottenMail(id: string): Promise<void> {
  await (
    await stack.db()
  )
    .prepare(
      `INSERT INTO emails (id, tenant, generation_at, status, from_address, to_address, subject, text, due_at, ring_after, created_at, updated_at)
       VALUES (?, 'admin', 0, 'queued', 'Luna <hello@luna.example>', 'ada@example.com', 'Hello', 'Hi', 0, 0, 0, 0)`,
    )
    .bind(id)
    .run();
}

it("the platform's cron trigger rings for a mail that everybody forgot", async () => {
  await forgottenMail("forgotten");
  const cron = stack.server.getWorker("luna-cron");
  expect(await cron.scheduled({ cron: "* * * * *", scheduledTime: new Date() })).toMatchObject({ outcome: "ok" });
  await until("forgotten", "sent");
  expect(stack.sink.copiesOf("forgotten")).toBe(1);
});

it("the tick does what the trigger does, and says how each task ended", async () => {
  await forgottenMail("forgotten");
  const { body } = await call("POST", "/api/admin/scheduled-tasks/tick");
  expect(body.results).toMatchObject([
    { task: "sweep-outbox", status: "success", result: { rung: 1 } },
    { task: "deliver-purges", status: "success", result: { delivered: 0 } },
  ]);
  await until("forgotten", "sent");
});

it("a run by an operator rings also for what was rung for just now, which a tick does not", async () => {
  await (await stack.db()).prepare("DELETE FROM emails").run();
  await forgottenMail("rung");
  await (
    await stack.db()
  )
    .prepare("UPDATE emails SET ring_after = ?")
    .bind(Date.now() + 900_000)
    .run();
  expect((await call("POST", "/api/admin/scheduled-tasks/tick")).body.results).toMatchObject([{ result: { rung: 0 } }, {}]);
  expect(await stack.sweep()).toMatchObject({ rung: 1 });
  await until("rung", "sent");
});

it("a task that fails is told with its error, and a task that does not exist is a 404", async () => {
  const db = await stack.db();
  await db.prepare("ALTER TABLE emails RENAME TO gone").run();
  const failed = await call("POST", "/api/admin/scheduled-tasks/sweep-outbox/run");
  await db.prepare("ALTER TABLE gone RENAME TO emails").run();
  expect(failed).toMatchObject({
    status: 200,
    body: { task: "sweep-outbox", status: "failure", error: { message: expect.stringContaining("no such table") } },
  });
  expect((await call("POST", "/api/admin/scheduled-tasks/no-such-task/run")).status).toBe(404);
});
