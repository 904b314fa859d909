import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../shared/contract/client/client.ts";
import { verifyWebhook } from "../../shared/contract/client/webhooks.ts";
import { createUser, deleteUser, updateUser } from "../../shared/contract/users.ts";
import { callEndpoint } from "../../shared/webhooks/call-endpoint.ts";
import { eventBody } from "../../shared/webhooks/rules/events.ts";
import { encryptSecret } from "../../shared/webhooks/secrets.ts";
import { codeBlocks, filesOn, nameOf } from "../support/code-blocks.ts";
import { eventually } from "../support/eventually.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import {
  comparable,
  guideWorkers,
  portOf,
  printed,
  walksOf,
  WEBHOOK_SECRET,
  type Place,
  type Walk,
  type WorkerAnswer,
} from "./guide-workers.ts";
import type { useStack } from "./support.ts";

/** Encrypts the secrets of webhooks in the stack that the pages run beside. */
export const SECRETS_KEY = "test-secrets-key-0123456789abcdef";

type Stack = ReturnType<typeof useStack>;

/** `setService`: the status with which the services answer that the Workers call. */
type Given = { stack: Stack; project: string; setService: (status: number) => void };

/** The Workers of the README and of docs/guides, and the commands of these pages, in a stack. */
export function testGuides({ stack, project, setService }: Given): void {
  const closers: (() => void)[] = [];
  afterAll(() => closers.forEach((close) => close()));

  const ask = async (worker: string, init: RequestInit = {}): Promise<WorkerAnswer> =>
    await stack.server.getWorker(worker).fetch("http://worker.test/", init as never);

  async function placeOf(page: string): Promise<Place> {
    const worker = guideWorkers[page] ?? "luna-api";
    const { url, close } = await portOf(async ({ url: at, method, headers, body }) =>
      stack.server.getWorker(worker).fetch(at, { method, headers, body, duplex: "half" } as never),
    );
    closers.push(close);
    const folder = join(project, "guides");
    return { luna: (await stack.server.listen()).url, worker: url, folder };
  }

  describe("the commands of a guide print what it shows", () => {
    beforeAll(async () => {
      const { DB } = await stack.server.getWorker<{ DB: D1Database }>("catalog").getEnv();
      for (const statement of (filesOn("cache-a-query").get("schema.sql") ?? "").split(";\n"))
        if (statement.trim() !== "") await DB.exec(statement.replaceAll("\n", " "));
    });

    it.each([
      "quickstart",
      "develop-locally",
      "send-email",
      "cache-a-query",
      "templates-and-brand",
      "schedule-a-job",
    ])("%s", async (page) => {
      const walks = walksOf(page);
      expect(walks.length).toBeGreaterThan(0);
      await walk(walks, await placeOf(page));
    });

    it("guard-a-dependency, with a service that is down", async () => {
      setService(500);
      const walks = walksOf("guard-a-dependency");
      expect(walks.length).toBeGreaterThan(0);
      const place = await placeOf("guard-a-dependency");
      await eventually(async () => await walk(walks, place));
    });
  });

  describe("the Worker of the README", () => {
    it("sends one email per order, and none while the dependency is down", async () => {
      expect((await ask("readme")).status).toBe(200);
      expect((await ask("readme")).status).toBe(200);
      // An email of an earlier test may arrive meanwhile.
      const delivered = () =>
        stack.sink.delivered.filter(({ email }) => email.subject === "Order 1042");
      await eventually(() => expect(delivered()).toHaveLength(1));
      setService(500);
      await eventually(async () => expect((await ask("readme")).status).toBe(503));
    });
  });

  it("the Worker of docs/guides/install.md stops calling a service that is down", async () => {
    expect((await ask("guarded")).status).toBe(200);
    setService(500);
    await eventually(async () =>
      expect(await (await ask("guarded")).json()).toEqual({ error: "circuit-open" }),
    );
  });

  it("the Worker of docs/guides/schedule-a-job.md takes a signed call, and no other", async () => {
    const body = JSON.stringify({ id: "run", job: "close-month", payload: { plan: "pro" } });
    const call = async (secret: string): Promise<number> => {
      const now = new Date();
      const headers = {
        "webhook-id": "run",
        "webhook-timestamp": String(Math.floor(now.getTime() / 1_000)),
        "webhook-signature": new Webhook(secret).sign("run", now, body),
      };
      return (await ask("billing", { method: "POST", body, headers })).status;
    };
    expect(await call(WEBHOOK_SECRET)).toBe(204);
    expect(await call(`whsec_${btoa("another secret of thirty-two chars")}`)).toBe(401);
  });

  it("watch-a-cron-job: what the guide pings is up", async () => {
    const place = await placeOf("watch-a-cron-job");
    const [creates, sees] = walksOf("watch-a-cron-job");
    if (creates === undefined || sees === undefined) throw new Error("the guide lacks a step");
    await walk([creates], place);
    const newest = async () => (await stack.call("GET", "/api/heartbeats")).body.items[0];
    const { pathname } = new URL((await newest()).pingUrl);
    const pings = codeBlocks.find(
      ({ page, language, text }) =>
        nameOf(page) === "watch-a-cron-job" && language === "sh" && text.includes("$PING"),
    );
    const env = { PING: new URL(pathname, place.luna).href };
    await printed([pings?.text ?? ""], { ...place, env });
    await walk([sees], place);
    expect(await newest()).toMatchObject({ status: "up", pings: 1 });
  });

  describe("receive-webhooks", () => {
    it("the Worker keeps a signed event once, however often it comes", async () => {
      const receiver = stack.server.getWorker<{ DB: D1Database }>("receiver");
      const { DB } = await receiver.getEnv();
      await DB.exec(filesOn("receive-webhooks").get("schema.sql") ?? "");
      const place = await placeOf("receive-webhooks");
      const [creates, ...others] = walksOf("receive-webhooks");
      if (creates === undefined) throw new Error("the guide creates no endpoint");
      await walk([creates], place);
      const [endpoint] = (await stack.call("GET", "/api/webhook-endpoints")).body.items;
      const path = `/api/webhook-endpoints/${endpoint.id}`;
      // The reader puts the secret of the answer into the Worker. Here the Worker has its own. Node
      // has no `toBase64` yet.
      Object.assign(Uint8Array.prototype, {
        toBase64(this: Uint8Array) {
          return Buffer.from(this).toString("base64");
        },
      });
      const secret = await encryptSecret(SECRETS_KEY, endpoint.id, WEBHOOK_SECRET);
      const db = await stack.db();
      await db.prepare("UPDATE webhook_endpoints SET secret = ?1").bind(secret).run();
      await walk(others, { ...place, env: { ENDPOINT: endpoint.id } });
      const delivered = async () => {
        const { items } = (await stack.call("GET", `${path}/deliveries`)).body;
        expect(items[0]).toMatchObject({ type: "webhook.test", status: "delivered" });
        return items[0];
      };
      const { id } = await eventually(delivered);
      await stack.call("POST", `${path}/deliveries/${id}/replay`);
      await eventually(async () => expect((await delivered()).generation).toBe(2));
      const { results } = await DB.prepare("SELECT type, data FROM events").all();
      const data = JSON.stringify({ endpointId: endpoint.id });
      expect(results).toEqual([{ type: "webhook.test", data }]);
      await stack.call("DELETE", path);
    });

    it("both verifiers take what Luna signs, and nothing else", async () => {
      const file = pathToFileURL(join(project, "guides/receiver/src/standard.ts")).href;
      const { isOfLuna } = (await import(/* @vite-ignore */ file)) as {
        isOfLuna: (headers: Headers, body: string, secret: string) => boolean;
      };
      const made: Request[] = [];
      const fetch = async (url: string, init: RequestInit) => {
        made.push(new Request(url, init));
        return new Response();
      };
      const event = { type: "team.deleted", at: 0, tenant: "user:ada", data: "{}" };
      const url = "https://example.com/";
      await callEndpoint(
        { url, secrets: [WEBHOOK_SECRET], id: "evt_1", body: eventBody(event), timeoutMs: 1_000 },
        { fetch: fetch as never, clock: Date },
      );
      const { headers } = made[0] ?? new Request(url);
      const body = (await made[0]?.text()) ?? "";
      for (const [text, expected] of [
        [body, true],
        [`${body} `, false],
      ] as const) {
        expect(isOfLuna(headers, text, WEBHOOK_SECRET)).toBe(expected);
        const call = { headers, body: text, secret: WEBHOOK_SECRET };
        expect((await verifyWebhook(call)).ok).toBe(expected);
      }
    });
  });

  describe("your-own-login", () => {
    const user = (id: string, email: string) => ({
      id,
      primary_email_address_id: "idn_1",
      email_addresses: [{ id: "idn_1", email_address: email }],
    });
    const send = async (type: string, data: object, secret = WEBHOOK_SECRET): Promise<number> => {
      const body = JSON.stringify({ type, data });
      const now = new Date();
      const headers = {
        "svix-id": "msg_1",
        "svix-timestamp": String(Math.floor(now.getTime() / 1_000)),
        "svix-signature": new Webhook(secret).sign("msg_1", now, body),
      };
      return (await ask("login", { method: "POST", body, headers })).status;
    };
    const emailOf = async (id: string): Promise<unknown> => {
      const { status, body } = await stack.call("GET", `/api/users/${id}`);
      return status === 200 ? body.user.email : status;
    };

    it("Clerk: a user is created, changed and deleted, also if an event comes twice", async () => {
      for (let times = 0; times < 2; times += 1)
        expect(await send("user.created", user("user_2abc", "clara@example.com"))).toBe(204);
      expect(await emailOf("user_2abc")).toBe("clara@example.com");
      expect(await send("user.updated", user("user_2abc", "clara@example.org"))).toBe(204);
      expect(await emailOf("user_2abc")).toBe("clara@example.org");
      expect(await send("user.deleted", { id: "user_2abc" })).toBe(204);
      expect(await send("user.deleted", { id: "user_2abc" })).toBe(204);
      expect(await emailOf("user_2abc")).toBe(404);
    });

    it("Clerk: an event without its signature changes nothing", async () => {
      const wrong = `whsec_${btoa("another secret of thirty-two chars")}`;
      expect(await send("user.created", user("user_eve", "eve@example.com"), wrong)).toBe(401);
      expect(await emailOf("user_eve")).toBe(404);
    });

    it("Better Auth and Auth.js: their hooks keep Luna's users in step", async () => {
      const { betterAuthHooks, authJsEvents } = await hooksOf(project);
      const luna = createClient({
        baseUrl: "http://luna.test",
        token: ADMIN_TOKEN,
        fetch: stack.server.fetch as never,
      });
      const callsOf = [createUser, updateUser, deleteUser].map((operation) => [
        operation.id,
        async (request: object) => await luna(operation, request),
      ]);
      const env = { LUNA_TOKEN: ADMIN_TOKEN, LUNA: Object.fromEntries(callsOf) as object };
      const { create, update, delete: remove } = betterAuthHooks(env).user;
      await create.after({ id: "ba1", email: "ben@example.com" });
      await update.after({ id: "ba1", email: "ben@example.org" });
      expect(await emailOf("ba1")).toBe("ben@example.org");
      await remove.after({ id: "ba1", email: "ben@example.org" });
      expect(await emailOf("ba1")).toBe(404);
      await authJsEvents(env).createUser({ user: { id: "aj1", email: "alan@example.com" } });
      expect(await emailOf("aj1")).toBe("alan@example.com");
    });
  });
}

/** Runs the commands: the last one of each block prints what the page shows. */
async function walk(walks: readonly Walk[], place: Place): Promise<void> {
  for (const { commands, answer } of walks) {
    const text = await printed(commands, place);
    const shown: unknown = answer === null ? null : JSON.parse(text);
    expect(comparable(shown)).toEqual(comparable(answer));
  }
}

type User = { id: string; email: string };
type Hook = { after: (user: User) => Promise<void> };
type Hooks = {
  betterAuthHooks: (env: object) => { user: Record<"create" | "update" | "delete", Hook> };
  authJsEvents: (env: object) => { createUser: (event: { user: User }) => Promise<void> };
};

async function hooksOf(project: string): Promise<Hooks> {
  const file = pathToFileURL(join(project, "guides/login/src/hooks.ts")).href;
  return (await import(/* @vite-ignore */ file)) as Hooks;
}
