import { expect, it } from "vitest";
import { fakeTransport } from "../../../test/support/emails.ts";
import type { EmailInHandOver } from "../sql/delivery.ts";
import { textOf } from "../transports/text-of.ts";
import type { OutgoingEmail } from "../transports/transport.ts";
import { handOver } from "./hand-over.ts";

const row: EmailInHandOver = {
  id: "m1",
  generation: 1,
  part: 1,
  recipients: null,
  generationAt: 0,
  sendAt: null,
  leaseExpiresAt: Number.MAX_SAFE_INTEGER,
  attempts: 1,
  onUnknown: "hold",
  from: "Luna <hello@luna.example>",
  to: "ada@example.com",
  replyTo: null,
  headers: null,
  subject: "Hi",
  html: "<p>Hello <b>Ada</b></p>",
  text: null,
  attachments: null,
  category: "transactional",
  traceId: null,
  transport: "smtp",
  pinnedUntil: null,
  textFromHtml: 1,
  waitClass: null,
  waits: 0,
};

async function handedOver(changes: Partial<EmailInHandOver>): Promise<OutgoingEmail | undefined> {
  const sent: OutgoingEmail[] = [];
  const transport = fakeTransport(async (email) => {
    sent.push(email);
    return { kind: "accepted", detail: { transport: "smtp", phase: "BODY", text: "ok" } };
  });
  const settings = { unsubscribe: null, emailIdHeader: "X-Luna-Email" };
  await handOver(transport, { ...row, ...changes }, settings, 0);
  return sent[0];
}

it("each transport gets the text made from the HTML, unless the email has a text or wants none", async () => {
  expect(await handedOver({})).toMatchObject({ text: textOf(row.html ?? "") });
  expect(await handedOver({ text: "Mine" })).toMatchObject({ text: "Mine" });
  expect(await handedOver({ text: "" })).toMatchObject({ text: "" });
});

it("an email of an earlier release keeps its bytes: its provider makes the text", async () => {
  expect(await handedOver({ textFromHtml: 0 })).toMatchObject({ text: null });
});
