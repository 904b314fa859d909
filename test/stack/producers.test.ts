import { expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { useStack } from "./support.ts";

const stack = useStack({}, [
  {
    config: {
      name: "emailing-consumer-worker",
      main: "./test/stack/fixtures/emailing-consumer-worker.ts",
      compatibility_date: "2026-11-01",
      queues: { producers: [{ binding: "EMAIL_QUEUE", queue: "luna-email" }] },
      services: [{ binding: "EMAILS", service: "luna-api", entrypoint: "Emails" }],
    },
  },
]);

async function ask(path: string): Promise<unknown> {
  const response = await stack.server
    .getWorker("emailing-consumer-worker")
    .fetch(`http://consumer-worker.test/${path}`);
  return await response.json();
}

it("another Worker's email arrives once, by queue and by RPC, however often it is handed in; one that is wrong becomes a dead letter", async () => {
  for (let n = 0; n < 3; n += 1)
    await ask(`queue?to=ada@example.com&key=queued-1&trace=${"a".repeat(32)}`);
  for (let n = 0; n < 3; n += 1)
    expect(await ask(`rpc?to=eve@example.com&key=called-1&trace=${"b".repeat(32)}`)).toMatchObject({
      ok: true,
    });
  expect(await ask("rpc?to=nobody&key=called-2")).toMatchObject({
    ok: false,
    error: { tag: "invalid", errors: [{ path: "to" }] },
  });
  await ask("queue?to=nobody&key=queued-2");
  await eventually(() =>
    expect(stack.sink.delivered.map(({ to }) => to).toSorted()).toEqual([
      "ada@example.com",
      "eve@example.com",
    ]),
  );
  await eventually(async () => {
    const { items } = (await stack.call("GET", "/api/admin/email/dlq?kind=poison")).body;
    expect(items).toMatchObject([{ reason: expect.stringContaining("to must be one address") }]);
  });
  const { items } = (await stack.call("GET", "/api/emails")).body;
  const traces = items.map(({ to, traceId }: { to: string; traceId: string }) => [to, traceId]);
  expect(Object.fromEntries(traces)).toEqual({
    "ada@example.com": "a".repeat(32),
    "eve@example.com": "b".repeat(32),
  });
  expect(items).toHaveLength(2);
});
