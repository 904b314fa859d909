import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { httpServer } from "../support/http-server.ts";
import { useStack } from "./support.ts";

/** A scripted stand-in for Resend's API, which keeps what it took. */
const taken: { key: string; body: Record<string, unknown> }[] = [];
let answer: () => { status: number; body: object } = () => ({
  status: 200,
  body: { id: `re-${taken.length}` },
});

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function play(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const text = await textOf(request);
  const { status, body } = answer();
  if (status === 200)
    taken.push({ key: String(request.headers["idempotency-key"]), body: JSON.parse(text) });
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

const resend = httpServer((request, response) => void play(request, response)).listen(
  0,
  "127.0.0.1",
);
await once(resend, "listening");
const { port } = resend.address() as AddressInfo;
afterAll(() => void resend.close());

const typesOf = (email: { events: { type: string }[] }) => email.events.map(({ type }) => type);

describe("EMAIL_TRANSPORTS=resend,smtp", () => {
  const vars = {
    EMAIL_TRANSPORTS: "resend,smtp",
    RESEND_API_KEY: "re_test",
    RESEND_BASE_URL: `http://127.0.0.1:${port}`,
    RESEND_RATE_PER_SECOND: "100",
  };
  const stack = useStack(vars, [], "file");
  beforeEach(() => {
    taken.length = 0;
    answer = () => ({ status: 200, body: { id: `re-${taken.length}` } });
  });

  it("hands an email to Resend under its key, with everything that it needs", async () => {
    const attachments = [{ filename: "a.txt", contentType: "text/plain", content: "SGk=" }];
    const id = await stack.send("ada@example.com", {
      html: "<p>Hi</p>",
      replyTo: "help@luna.example",
      category: "notification",
      attachments,
    });
    const sent = await stack.until(id, "sent");
    expect(sent.events.at(-1).detail).toMatchObject({
      transport: "resend",
      code: 200,
      providerId: "re-0",
    });
    expect(taken).toMatchObject([
      {
        key: `${id}:1`,
        body: {
          from: "Luna <hello@luna.example>",
          to: ["ada@example.com"],
          subject: "Hello",
          html: "<p>Hi</p>",
          text: "Hello there",
          reply_to: "help@luna.example",
          tags: [{ name: "luna_email", value: `${id}_1` }],
          headers: {
            "X-Luna-Email": `${id}:1`,
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
          },
          attachments: [{ filename: "a.txt", content: "SGk=", content_type: "text/plain" }],
        },
      },
    ]);
    expect(stack.sink.delivered).toEqual([]);
  });

  it("leaves to SMTP what Resend refuses, in the same attempt", async () => {
    answer = () => ({
      status: 429,
      body: { statusCode: 429, name: "daily_quota_exceeded", message: "enough for today" },
    });
    const id = await stack.send("bob@example.com");
    const sent = await stack.until(id, "sent");
    expect(sent.attempts).toBe(1);
    expect(typesOf(sent)).toEqual(["queued", "claimed", "sending", "sending", "sent"]);
    expect(sent.events[3].detail).toMatchObject({
      transport: "smtp",
      failedOver: { transport: "resend", code: "daily_quota_exceeded" },
    });
    expect(stack.sink.copiesOf(id)).toBe(1);
  });

  it("asks Resend nothing until its quota resets or an operator ends that", async () => {
    await stack.until(await stack.send("bob@example.com"), "sent");
    expect(taken).toEqual([]);
    expect(stack.sink.delivered).toHaveLength(1);
    const path = "/api/admin/email/transports/resend/reset";
    expect((await stack.call("POST", path, { reason: "a larger plan" })).status).toBe(200);
    await stack.until(await stack.send("bob@example.com"), "sent");
    expect(taken).toHaveLength(1);
  });

  it("asks Resend again, and no other transport, about an email whose answer was no answer", async () => {
    let asked = 0;
    answer = () =>
      (asked += 1) === 1
        ? { status: 500, body: { name: "application_error" } }
        : { status: 200, body: { id: "re-x" } };
    const id = await stack.send("eve@example.com");
    const sent = await stack.until(id, "sent");
    expect(sent.attempts).toBe(2);
    expect(taken.map(({ key }) => key)).toEqual([`${id}:1`]);
    expect(stack.sink.delivered).toEqual([]);
  });
});

describe("EMAIL_TRANSPORTS=cloudflare", () => {
  const stack = useStack({ EMAIL_TRANSPORTS: "cloudflare" });

  it("hands an email to the send_email binding", async () => {
    const id = await stack.send("ada@example.com", {
      html: "<p>Hi</p>",
      attachments: [{ filename: "a.txt", contentType: "text/plain", content: "SGk=" }],
    });
    const sent = await stack.until(id, "sent");
    expect(sent.events.at(-1).detail).toMatchObject({
      transport: "cloudflare",
      providerId: expect.stringMatching(/./),
    });
    expect(stack.sink.delivered).toEqual([]);
  });
});
