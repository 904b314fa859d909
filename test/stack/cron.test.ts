import { expect, it } from "vitest";
import { useStack } from "./support.ts";

const stack = useStack();
const { call, until } = stack;

/** An email that is due and for which nobody ever rang. */
async function forgottenEmail(id: string): Promise<void> {
  await (
    await stack.db()
  )
    .prepare(
      `INSERT INTO emails (id, tenant, generation_at, status, from_address, to_address, subject,
        text, due_at, ring_after, created_at, updated_at)
       VALUES (?, 'admin', 0, 'queued', 'Luna <hello@luna.example>', 'ada@example.com', 'Hello',
         'Hi', 0, 0, 0, 0)`,
    )
    .bind(id)
    .run();
}

it("the platform's cron trigger notifies for a due email without a notification", async () => {
  await forgottenEmail("forgotten");
  const cron = stack.server.getWorker("luna-cron");
  expect(await cron.scheduled({ cron: "* * * * *", scheduledTime: new Date() })).toMatchObject({
    outcome: "ok",
  });
  await until("forgotten", "sent");
  expect(stack.sink.copiesOf("forgotten")).toBe(1);
});

it("the tick does what the trigger does, and reports how each task ended", async () => {
  await forgottenEmail("forgotten");
  const { body } = await call("POST", "/api/admin/scheduled-tasks/tick");
  expect(body).toMatchObject({ failed: 0, successful: body.total });
  expect(body.results).toContainEqual(
    expect.objectContaining({
      task: "sweep-outbox",
      status: "success",
      result: expect.objectContaining({ notified: 1 }),
    }),
  );
  expect(body.results).toContainEqual(
    expect.objectContaining({ task: "deliver-purges", status: "success" }),
  );
  await until("forgotten", "sent");
});

it("a run by an operator notifies also for what was notified just now, which a tick does not", async () => {
  await (await stack.db()).prepare("DELETE FROM emails").run();
  await forgottenEmail("notified");
  await (
    await stack.db()
  )
    .prepare("UPDATE emails SET ring_after = ?")
    .bind(Date.now() + 900_000)
    .run();
  const ticked = (await call("POST", "/api/admin/scheduled-tasks/tick")).body.results;
  expect(ticked).toContainEqual(
    expect.objectContaining({
      task: "sweep-outbox",
      result: expect.objectContaining({ notified: 0 }),
    }),
  );
  expect(await stack.sweep()).toMatchObject({ notified: 1 });
  await until("notified", "sent");
});

it("a task that fails is answered with its error, and a task that does not exist is a 404", async () => {
  const db = await stack.db();
  await db.prepare("ALTER TABLE emails RENAME TO gone").run();
  const failed = await call("POST", "/api/admin/scheduled-tasks/sweep-outbox/run");
  await db.prepare("ALTER TABLE gone RENAME TO emails").run();
  expect(failed).toMatchObject({
    status: 200,
    body: {
      task: "sweep-outbox",
      status: "failure",
      error: { message: expect.stringContaining("no such table") },
    },
  });
  expect((await call("POST", "/api/admin/scheduled-tasks/no-such-task/run")).status).toBe(404);
});

it("the history has every run, a failed one with its error, which can be retried once the cause is gone", async () => {
  const db = await stack.db();
  await db.prepare("ALTER TABLE emails RENAME TO gone").run();
  const failed = (await call("POST", "/api/admin/scheduled-tasks/sweep-outbox/run")).body;
  await db.prepare("ALTER TABLE gone RENAME TO emails").run();
  const history = (await call("GET", "/api/admin/scheduled-tasks/history?limit=1")).body;
  expect(history).toMatchObject({ total: 1, successful: 0, failed: 1 });
  expect(history.recentExecutions[0].scheduledTime).toBe(
    history.recentExecutions[0].results[0].scheduledTime,
  );
  expect(history.recentExecutions).toMatchObject([
    {
      trigger: "operator",
      total: 1,
      failed: 1,
      results: [{ runId: failed.runId, status: "failure", error: { stack: expect.any(String) } }],
    },
  ]);
  expect(
    (await call("POST", `/api/admin/scheduled-tasks/history/${failed.runId}/retry`)).body,
  ).toMatchObject({
    task: "sweep-outbox",
    status: "success",
  });
  expect((await call("POST", "/api/admin/scheduled-tasks/history/no-such-run/retry")).status).toBe(
    404,
  );
  const { recentExecutions } = (await call("GET", "/api/admin/scheduled-tasks/history")).body;
  const [retried] = recentExecutions[0].results;
  expect(retried).toMatchObject({ attempt: 2, trigger: "retry", status: "success" });
  expect(
    await call("POST", `/api/admin/scheduled-tasks/history/${retried.runId}/retry`),
  ).toMatchObject({ status: 409 });
  const askedAt = Date.now();
  const { items } = (await call("GET", "/api/admin/scheduled-tasks")).body;
  expect(items.map(({ name }: { name: string }) => name)).toContain("prune-history");
  expect(items[0]).toMatchObject({
    name: "sweep-outbox",
    cron: "* * * * *",
    lastRun: { runId: retried.runId, status: "success" },
  });
  expect(Date.parse(items[0].nextAt)).toBeGreaterThan(askedAt);
});
