import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import { afterEach, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { httpServer } from "../support/http-server.ts";
import { useStack } from "./support.ts";

/** Webhooks from the write to the receiver, against servers that misbehave until they are fixed. */

const stack = useStack({
  SECRETS_KEY: "test-secrets-key-0123456789abcdef",
  OUTBOUND_ALLOW_LOOPBACK: "true",
});

type Behaviour = (response: ServerResponse, request: IncomingMessage) => void;

/** A receiver that keeps what its signature proves to be from Luna. */
class Receiver {
  /** Null: it is well. */
  behaviour: Behaviour | null;
  secret = "";
  readonly taken: { id: string; type: string }[] = [];
  requests = 0;
  readonly #server: Server;

  constructor(behaviour: Behaviour | null) {
    this.behaviour = behaviour;
    this.#server = httpServer((request, response) => void this.#take(request, response));
  }

  async listen(port = 0): Promise<number> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    const body = Buffer.concat(await request.toArray()).toString();
    if (this.behaviour !== null) return this.behaviour(response, request);
    const headers = request.headers as Record<string, string>;
    const { type } = new Webhook(this.secret).verify(body, headers) as { type: string };
    this.taken.push({ id: headers["webhook-id"] ?? "", type });
    response.writeHead(200).end("taken");
  }
}

const receivers: Receiver[] = [];
afterEach(async () => {
  await Promise.all(receivers.splice(0).map((one) => one.close()));
});

async function endpointAt(port: number, receiver: Receiver): Promise<string> {
  const { body } = await stack.call("POST", "/api/webhook-endpoints", {
    url: `http://127.0.0.1:${port}/hook`,
    events: ["email.*"],
  });
  receiver.secret = body.secret;
  receivers.push(receiver);
  return body.endpoint.id;
}

/** Everything that waits is due, and no endpoint waits. */
async function timePasses(): Promise<void> {
  const db = await stack.db();
  await db.batch([
    db.prepare("UPDATE deliveries SET due_at = 0 WHERE status = 'pending'"),
    db.prepare("UPDATE deliveries SET lease_expires_at = 0 WHERE status = 'delivering'"),
    db.prepare("UPDATE webhook_endpoints SET not_before = NULL"),
  ]);
}

const sweep = async (): Promise<unknown> =>
  await stack.call("POST", "/api/admin/scheduled-tasks/sweep-webhooks/run");

const EMAILS = 5;
/** Each email is accepted and sent. */
const EVENTS = 2 * EMAILS;

it("each event is delivered at least once, and a healthy endpoint waits for no other", async () => {
  const hanging: ServerResponse[] = [];
  const well = new Receiver(null);
  const bad = {
    hangs: new Receiver((response) => void hanging.push(response)),
    isSlow: new Receiver((response) => void setTimeout(() => response.writeHead(500).end(), 3_000)),
    redirects: new Receiver((response) =>
      response.writeHead(307, { Location: "http://127.0.0.1:1/" }).end(),
    ),
    resets: new Receiver((_, request) => void request.socket.resetAndDestroy()),
    breaksOff: new Receiver((response) => {
      response.writeHead(500, { "Content-Length": "1000" }).write("x");
      response.destroy();
    }),
  };
  for (const one of [well, ...Object.values(bad)]) await endpointAt(await one.listen(), one);
  const refusing = new Receiver(null);
  const port = await refusing.listen();
  await refusing.close();
  await endpointAt(port, refusing);

  const sent = await Promise.all(
    Array.from({ length: EMAILS }, (_, n) => stack.send(`ada-${n}@example.com`)),
  );
  for (const id of sent) await stack.until(id, "sent");
  await sweep();
  await eventually(() => expect(new Set(well.taken.map(({ id }) => id)).size).toBe(EVENTS));
  expect(bad.hangs.taken).toEqual([]);
  const counts = Object.groupBy(well.taken, ({ type }) => type);
  expect(Object.keys(counts).toSorted()).toEqual(["email.accepted", "email.sent"]);

  for (const one of Object.values(bad)) one.behaviour = null;
  receivers.splice(receivers.indexOf(refusing), 1);
  const repaired = new Receiver(null);
  await repaired.listen(port);
  repaired.secret = refusing.secret;
  receivers.push(repaired);
  await eventually(async () => {
    await timePasses();
    await sweep();
    for (const one of [...Object.values(bad), repaired])
      expect(new Set(one.taken.map(({ id }) => id)).size).toBe(EVENTS);
  });
  const [first] = (await stack.call("GET", "/api/webhook-endpoints")).body.items;
  expect(first.health).toEqual({ failures: 0 });
});

it("a paused endpoint gets nothing, and what waited once it is resumed", async () => {
  const receiver = new Receiver(null);
  const id = await endpointAt(await receiver.listen(), receiver);
  await stack.call("POST", `/api/webhook-endpoints/${id}/pause`);
  await stack.until(await stack.send("ada@example.com"), "sent");
  await timePasses();
  await sweep();
  const listed = async () =>
    (await stack.call("GET", `/api/webhook-endpoints/${id}/deliveries`)).body.items;
  await eventually(async () => expect(await listed()).toHaveLength(2));
  expect(receiver.requests).toBe(0);
  await stack.call("POST", `/api/webhook-endpoints/${id}/resume`);
  await eventually(() => expect(receiver.taken).toHaveLength(2));
  await eventually(async () =>
    expect(await listed()).toMatchObject(
      [1, 2].map(() => ({
        status: "delivered",
        attempts: 1,
        log: [{ outcome: "delivered", status: 200, answer: "taken" }],
      })),
    ),
  );
});

it("an endpoint that fails for five days is paused, and its owner gets an email", async () => {
  const { body } = await stack.call("POST", "/api/users", {
    userId: "ada",
    email: "ada@example.com",
  });
  const receiver = new Receiver((response) => void response.writeHead(500).end("broken"));
  const port = await receiver.listen();
  receivers.push(receiver);
  const created = await stack.call(
    "POST",
    "/api/webhook-endpoints",
    { url: `http://127.0.0.1:${port}/`, events: ["*"] },
    { token: body.apiKey },
  );
  const path = `/api/webhook-endpoints/${created.body.endpoint.id}`;
  await stack.call("POST", `${path}/test`);
  const endpoint = async () => (await stack.call("GET", path)).body;
  await eventually(async () => expect((await endpoint()).health.failures).toBeGreaterThan(0));
  const db = await stack.db();
  await db.prepare("UPDATE webhook_endpoints SET failing_since = 0").run();
  await eventually(async () => {
    await timePasses();
    await sweep();
    expect((await endpoint()).paused).toMatchObject({ because: "failing" });
  });
  await eventually(async () => {
    await sweep();
    const told = stack.sink.delivered.filter(({ raw }) => raw.includes("are paused"));
    expect(told).toHaveLength(1);
  });
});
