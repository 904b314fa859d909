import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import { afterEach, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { httpServer } from "../support/http-server.ts";
import { useStack } from "./support.ts";
import { walkerOn } from "./walk.ts";

/** Jobs from the trigger to a receiver, through the three Workers. */

const stack = useStack({
  SECRETS_KEY: "test-secrets-key-0123456789abcdef",
  OUTBOUND_ALLOW_LOOPBACK: "true",
});
const { walk, look, run } = walkerOn(stack);

type Call = { id: string; job: string; scheduledTime: string; payload: unknown };

/** What the receiver took, with a signature that is right. */
let taken: Call[] = [];
let secret = "";
let status = 200;
async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = Buffer.concat(await request.toArray()).toString();
  taken.push(new Webhook(secret).verify(body, request.headers as Record<string, string>) as Call);
  response.writeHead(status).end("answer");
}
const server = httpServer((request, response) => void take(request, response));

async function receiver(): Promise<string> {
  taken = [];
  status = 200;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
afterEach(async () => {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
});

const start = async (): Promise<unknown> =>
  await stack.call("POST", "/api/admin/scheduled-tasks/start-jobs/run");
const makeDue = async (): Promise<void> => await run(`UPDATE jobs SET next_at = ${Date.now() - 1}`);
const history = async (name: string) =>
  (await stack.call("GET", `/api/admin/jobs/${name}/history`)).body.items;

it("a job calls its receiver at its slot, at once when it is asked to, and not while it is paused", async () => {
  const made = await stack.call("POST", "/api/admin/jobs", {
    name: "report",
    schedule: { every: "1h" },
    target: { url: await receiver() },
    payload: { month: 11 },
  });
  ({ secret } = made.body);
  await makeDue();
  await start();
  await eventually(() => expect(taken).toHaveLength(1));
  expect(taken[0]).toMatchObject({ job: "report", payload: { month: 11 } });
  await eventually(async () =>
    expect(await history("report")).toMatchObject([
      { runId: taken[0]?.id, status: "success", log: [{ status: 200, answer: "answer" }] },
    ]),
  );
  const { runId } = (await stack.call("POST", "/api/admin/jobs/report/run")).body;
  await eventually(() => expect(taken.map(({ id }) => id)).toContain(runId));
  await stack.call("POST", "/api/admin/jobs/report/pause");
  await start();
  expect((await history("report")).length).toBe(2);
  const listed = (await stack.call("GET", "/api/admin/jobs?limit=100")).body.items;
  expect(listed.map(({ name }: { name: string }) => name)).toEqual(
    expect.arrayContaining(["report", "start-jobs", "sweep-outbox"]),
  );
});

it("jobs-failing: three dead runs raise the alert, the page's requests show and replay them, and it recovers", async () => {
  const made = await stack.call("POST", "/api/admin/jobs", {
    name: "report",
    schedule: { every: "1h" },
    target: { url: await receiver() },
    retries: { max: 0 },
  });
  ({ secret } = made.body);
  status = 500;
  for (let n = 1; n <= 3; n += 1) {
    await makeDue();
    await start();
    await eventually(async () =>
      expect((await history("report")).map((one: { status: string }) => one.status)).toEqual(
        Array.from({ length: n }, () => "dead"),
      ),
    );
  }
  await stack.call("POST", "/api/admin/scheduled-tasks/tick");
  const firing = async () =>
    (await stack.call("GET", "/api/admin/alerts")).body.firing.map(
      ({ key }: { key: string }) => key,
    );
  expect(await firing()).toContain("jobs:failing");
  const filled = { job: "report" };
  await look("jobs-failing", filled);
  await walk("jobs-failing", "press", "pauseJob", { filled });
  await walk("jobs-failing", "press", "resumeJob", { filled });
  status = 200;
  const { replayed } = (await walk("jobs-failing", "press", "replayJobRuns", { filled })).body;
  expect(replayed).toBe(3);
  await eventually(async () =>
    expect((await stack.call("GET", "/api/admin/jobs/report")).body.failures).toBe(0),
  );
  await eventually(async () => {
    const dead = await stack.call("GET", "/api/admin/jobs/report/history?status=dead");
    expect(dead.body.items).toEqual([]);
  });
});
