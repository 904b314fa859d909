import { describe, expect, it } from "vitest";
import { fakeTransport } from "../../../test/support/emails.ts";
import { handOverMs } from "../rules/hand-over-size.ts";
import { toJson } from "../sql/columns.ts";
import type { EmailInHandOver } from "../sql/delivery.ts";
import { textOf } from "../transports/text-of.ts";
import { deadlineOf, type OutgoingEmail } from "../transports/transport.ts";
import type { FilesRead } from "./files.ts";
import { handOver } from "./hand-over.ts";

const row: EmailInHandOver = {
  id: "m1",
  generation: 1,
  part: 1,
  test: 0,
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
  waitsFrom: null,
};

async function handedOver(
  changes: Partial<EmailInHandOver>,
  files?: FilesRead,
): Promise<OutgoingEmail | undefined> {
  const sent: OutgoingEmail[] = [];
  const transport = fakeTransport(async (email) => {
    sent.push(email);
    return { kind: "accepted", detail: { transport: "smtp", phase: "BODY", text: "ok" } };
  });
  const settings = { unsubscribe: null, emailIdHeader: "X-Luna-Email" };
  await handOver(transport, { ...row, ...changes }, { ...settings, ...(files && { files }) }, 0);
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

describe("an email that names an uploaded file", () => {
  const bytes = new Uint8Array(5_000_000);
  const file = { createdAt: 0, sizeBytes: bytes.byteLength, contentType: "image/png" };
  const named = {
    attachments: toJson([{ id: "a", filename: "mine.png" }, { id: "b" }, { id: "b" }]),
    files: toJson(["a", "b"].map((id) => ({ ...file, id, filename: `${id}.png` }))),
  };
  const small = new Uint8Array(1);
  const read = new Map([
    ["a", bytes],
    ["b", small],
  ]);

  it("has its bytes in each place, under the email's name or else its own", async () => {
    expect((await handedOver(named, read))?.attachments).toEqual([
      { filename: "mine.png", contentType: "image/png", bytes },
      { filename: "b.png", contentType: "image/png", bytes: small },
      { filename: "b.png", contentType: "image/png", bytes: small },
    ]);
  });

  it("has a deadline for its size at each transport", async () => {
    const sent = await handedOver(named, read);
    expect(deadlineOf({ attachments: sent?.attachments ?? [] })).toBe(handOverMs(5_000_002));
  });

  it("begins only while its lease has the time that its size needs", async () => {
    expect(await handedOver({ ...named, leaseExpiresAt: 50_000 }, read)).toBeUndefined();
    expect(await handedOver({ ...named, leaseExpiresAt: 50_001 }, read)).toBeDefined();
  });

  it("is not handed over without it", async () => {
    expect(await handedOver(named, new Map([["a", bytes]]))).toBeUndefined();
  });
});
