import { expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import type { Fault } from "../support/sink.ts";
import { useStack } from "./support.ts";

const stack = useStack({}, [], "file");
const { call, send, until } = stack;

it("brings a new user's welcome email into the mailbox: multipart, with the right headers", async () => {
  const before = Date.now();
  const created = await call("POST", "/api/users", { userId: "ada", email: "Ada@Example.com" });
  expect(created.status).toBe(201);
  await eventually(() => expect(stack.sink.delivered).toHaveLength(1));

  const [{ email, raw, to, id }] = stack.sink.delivered as [(typeof stack.sink.delivered)[0]];
  expect(to).toBe("ada@example.com");
  expect(email.subject).toBe("Welcome to Luna, ada");
  expect(email.from).toMatchObject({ name: "Luna", address: "hello@luna.example" });
  expect(email.to).toMatchObject([{ address: "ada@example.com" }]);
  expect(email.messageId).toBe(`<${id}@luna.example>`);
  // The header has whole seconds.
  expect(Date.parse(email.date ?? "")).toBeGreaterThan(before - 1_000);
  expect(Date.parse(email.date ?? "")).toBeLessThanOrEqual(Date.now());
  expect(raw).toMatch(/^Content-Type: multipart\/alternative;/m);
  expect(email.text).toContain("Welcome, ada");
  expect(email.html).toContain("<h1");
  const { body } = await call("GET", `/api/emails/${id}`);
  expect(body.status).toBe("sent");
});

it("delivers any email once and lists its events", async () => {
  const id = await send("bob@example.com", {
    subject: "Räksmörgås ✓",
    text: undefined,
    html: "<p>Hi <b>Bob</b></p>",
    replyTo: "help@luna.example",
  });
  const sent = await until(id, "sent");

  expect(sent).toMatchObject({ attempts: 1, generation: 1, to: "bob@example.com" });
  expect(sent.events.map((event: { type: string }) => event.type)).toEqual([
    "queued",
    "claimed",
    "sending",
    "sent",
  ]);
  expect(stack.sink.copiesOf(id)).toBe(1);
  const { email } = stack.sink.delivered[0] ?? {};
  expect(email?.subject).toBe("Räksmörgås ✓");
  expect(email?.replyTo).toMatchObject([{ address: "help@luna.example" }]);
  expect(email?.text?.trim()).toBe("Hi Bob");
});

it("is followed by one trace id from the request through the queue to the transport, also if another system began the trace", async () => {
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
  const email = { to: "trace@example.com", subject: "Hi", text: "Hi" };
  const traced = await until(
    (await call("POST", "/api/emails", email, { headers })).body.id,
    "sent",
  );
  const own = await until(await send("own@example.com"), "sent");
  expect(traced.traceId).toBe(traceId);
  expect(own.traceId).toMatch(/^[\da-f]{32}$/);
  expect(own.traceId).not.toBe(traceId);
  for (const { id, traceId: expected } of [traced, own]) {
    const lines = stack.lines().filter(({ emailId }) => emailId === id);
    expect(lines.map(({ event }) => event)).toEqual([
      "email.accepted",
      "email.claimed",
      "email.attempt",
    ]);
    expect(lines.map((line) => line["traceId"])).toEqual([expected, expected, expected]);
  }
});

it("retries a transient refusal after 1, 2 and 4 s, under one Message-ID, and then delivers", async () => {
  const refusals: Fault["phase"][] = ["mail", "rcpt", "data"];
  stack.sink.fault = (phase) => {
    if (phase !== refusals[0]) return null;
    refusals.shift();
    return { phase, do: "refuse", code: 451, text: "4.3.0 busy" };
  };
  const id = await send("carol@example.com");
  const sent = await until(id, "sent");

  expect(sent.attempts).toBe(4);
  const queued = sent.events.filter((event: { type: string }) => event.type === "queued");
  const claimed = sent.events.filter((event: { type: string }) => event.type === "claimed");
  const waits = queued
    .slice(1)
    .map(
      (event: { at: string }, n: number) => Date.parse(claimed[n + 1].at) - Date.parse(event.at),
    );
  // 20 % jitter below; above, the queue's own batching.
  [1_000, 2_000, 4_000].forEach((delay, n) =>
    expect(waits[n], `wait ${n + 1}`).toBeGreaterThanOrEqual(delay * 0.8),
  );
  expect(queued[1].detail).toMatchObject({
    transport: "smtp",
    phase: "MAIL FROM",
    code: 451,
    enhancedCode: "4.3.0",
  });
  expect(stack.sink.copiesOf(id)).toBe(1);
  expect(stack.sink.delivered[0]?.email.messageId).toBe(`<${id}@luna.example>`);
});

it("does not retry a permanent refusal: it goes through the dead-letter queue to its dead letter", async () => {
  stack.sink.fault = (phase) =>
    phase === "rcpt" ? { phase, do: "refuse", code: 550, text: "5.1.1 no such user" } : null;
  const id = await send("nobody@example.com");
  const dead = await until(id, "dead");
  expect(dead.attempts).toBe(1);
  expect(dead.lastError).toMatchObject({ phase: "RCPT TO", code: 550, enhancedCode: "5.1.1" });

  await eventually(async () => {
    const { body } = await call("GET", "/api/admin/email/dlq");
    expect(body.items).toMatchObject([
      {
        id,
        kind: "email",
        reason: "permanent",
        attempts: 1,
        to: "nobody@example.com",
        lastError: { code: 550 },
      },
    ]);
    const days =
      (Date.parse(body.items[0].expiresAt) - Date.parse(body.items[0].buriedAt)) / 86_400_000;
    expect(days).toBe(7);
  });
});

it("calls an email unknown, and sends it again only on request of an operator, when the server took it and vanished before answering", async () => {
  stack.sink.fault = (phase) => (phase === "data" ? { phase, do: "drop" } : null);
  const id = await send("dave@example.com");
  const unknown = await until(id, "unknown");
  expect(unknown.lastError).toMatchObject({ transport: "smtp", phase: "BODY" });

  stack.sink.fault = () => null;
  await stack.timePasses(86_400_000);
  await stack.sweep();
  expect(await stack.email(id)).toMatchObject({ status: "unknown", attempts: 1 });
  expect(stack.sink.copiesOf(id)).toBe(1);
  expect((await call("GET", "/health")).body.checks.email.unknown).toBe(1);

  // The operator finds it, decides, and is not asked twice.
  expect((await call("GET", "/api/emails?status=unknown")).body.items).toMatchObject([
    { id, status: "unknown" },
  ]);
  const path = `/api/admin/email/${id}/resolve`;
  expect((await call("POST", path, { status: "queued" })).body).toEqual({
    id,
    status: "queued",
    generation: 2,
  });
  expect((await call("POST", path, { status: "sent" })).status).toBe(404);
  expect(await until(id, "sent")).toMatchObject({ generation: 2 });
  expect((await call("GET", "/health")).body.checks.email.unknown).toBe(0);
});

it("sends an unknown email again where the sender asked for that", async () => {
  let drops = 0;
  stack.sink.fault = (phase) => (phase === "data" && drops++ === 0 ? { phase, do: "drop" } : null);
  const id = await send("erin@example.com", { onUnknown: "resend" });
  expect(await until(id, "sent")).toMatchObject({ attempts: 2 });
  expect(stack.sink.copiesOf(id)).toBe(2);
  expect(new Set(stack.sink.delivered.map(({ email }) => email.messageId))).toEqual(
    new Set([`<${id}@luna.example>`]),
  );
});
