import { expect, it } from "vitest";
import { automaticReply, deliveryReport } from "../support/delivery-reports.ts";
import { useStack } from "./support.ts";

/** From the Return-Path that the SMTP server sees to what the API shows. */

const stack = useStack(
  { BOUNCE_DOMAIN: "bounces.example.com", BOUNCE_SECRET: "s".repeat(32) },
  [],
  "file",
);
const consumer = stack.server.getWorker("luna-consumer");

/** Sends an email, and answers the address to which its server reports. */
async function sent(to: string, fields: Record<string, unknown> = {}) {
  const id = await stack.send(to, fields);
  const { feedback } = await stack.until(id, "sent");
  expect(feedback).toBe("configured");
  const delivered = stack.sink.delivered.find((one) => one.id === id);
  return { id, path: delivered?.from ?? "", email: delivered?.email };
}

/** As Email Routing brings an email to luna-consumer: null is the sender of a delivery report. */
const receive = async (to: string, raw: string) => await consumer.email({ from: "<>", to, raw });

it("an email whose server reports a bounce to its Return-Path ends bounced", async () => {
  const { id, path, email } = await sent("ada@example.com");
  expect(path).toMatch(/^bounce\+[a-z2-7]{55}@bounces\.example\.com$/);
  expect(email?.from?.address).toBe("hello@luna.example");
  const result = await receive(path, deliveryReport("postfix", path, [{ to: "ada@example.com" }]));
  expect(result).toMatchObject({ outcome: "ok" });
  const bounced = await stack.until(id, "bounced");
  expect(bounced.events.at(-1)).toMatchObject({
    type: "bounced",
    detail: { transport: "smtp", phase: "DSN", enhancedCode: "5.1.1" },
  });
  const again = { to: "ada@example.com", subject: "Hello", text: "Hello" };
  const { status, body } = await stack.call("POST", "/api/emails", again);
  expect([status, body.title]).toEqual([422, "The recipient is suppressed"]);
});

it("a bounce of one of several recipients of one transaction is that one's alone", async () => {
  const { id, path } = await sent("bob@example.com", { cc: "eve@example.com" });
  await receive(path, deliveryReport("gmail", path, [{ to: "eve@example.com" }]));
  const { recipients } = await stack.until(id, "bounced");
  expect(recipients).toMatchObject([{ state: "accepted" }, { state: "bounced" }]);
});

it("automatic replies and forged bounces are accepted and change nothing", async () => {
  const { id, path } = await sent("kim@example.com");
  const forged = path.replace(/.@/, (end) => (end === "a@" ? "b@" : "a@"));
  for (const [to, raw] of [
    [path, automaticReply(path)],
    [forged, deliveryReport("exim", forged, [{ to: "kim@example.com" }])],
  ] as const)
    expect(await receive(to, raw)).toMatchObject({ outcome: "ok" });
  expect((await stack.email(id)).status).toBe("sent");
  // What is signed still counts afterwards.
  await receive(
    path,
    deliveryReport("exchange", path, [{ to: "kim@example.com", action: "delivered" }]),
  );
  await stack.until(id, "delivered");
});
