import { describe, expect, it } from "vitest";
import { call } from "./support.ts";

const email = { to: "ada@example.com", subject: "Hi", text: "Hi" };
const send = (key: string, body: unknown = email, path = "/api/emails") =>
  call("POST", path, body, { headers: { "Idempotency-Key": key } });

const receipt = {
  userId: "ada",
  amount: "EUR 29.00",
  plan: "pro",
  invoiceNumber: "2026-1",
  paidOn: "1 December 2026",
};
const template = { to: email.to, template: "payment-success" };
const file = { filename: "a.txt", contentType: "application/octet-stream", content: "SGk=" };

describe("under one Idempotency-Key", () => {
  it.each<[string, object, object]>([
    [
      "the fields of data in another order",
      { ...template, data: receipt },
      { ...template, data: Object.fromEntries(Object.entries(receipt).toReversed()) },
    ],
    ["an explicit category", email, { ...email, category: "transactional" }],
    ["an explicit onUnknown", email, { ...email, onUnknown: "hold" }],
    ["empty lists", email, { ...email, tags: [], attachments: [] }],
    [
      "the type that a file has by default",
      { ...email, attachments: [{ filename: file.filename, content: file.content }] },
      { ...email, attachments: [file] },
    ],
    [
      "base64 in lines",
      { ...email, attachments: [file] },
      { ...email, attachments: [{ ...file, content: "SG\r\nk=\n" }] },
    ],
    [
      "the same instant in another zone",
      { ...email, sendAt: "2020-01-01T12:00:00Z" },
      { ...email, sendAt: "2020-01-01T13:00:00+01:00" },
    ],
  ])("a repeat is the same request with %s", async (what, first, second) => {
    for (const [n, [one, other]] of [
      [first, second],
      [second, first],
    ].entries()) {
      const accepted = await send(`${n}-${what.replaceAll(" ", "-")}`, one);
      const repeated = await send(`${n}-${what.replaceAll(" ", "-")}`, other);
      expect(accepted.status).toBe(202);
      expect(repeated).toMatchObject({ status: 202, body: { id: accepted.body.id } });
    }
  });

  it.each<[string, object]>([
    ["another category", { ...email, category: "notification" }],
    ["a tag", { ...email, tags: ["a"] }],
    ["another text", { ...email, text: "Ho" }],
    ["an empty text beside HTML", { ...email, html: "<p>Hi</p>", text: "" }],
  ])("a request with %s is another one", async (what, other) => {
    const key = what.replaceAll(" ", "-");
    await send(key);
    expect((await send(key, other)).body.type).toBe("urn:luna:problem:idempotency-key-reused");
  });
});

describe("the keys of a batch", () => {
  const items = [email, { ...email, subject: "Second" }];

  it("are apart from a caller's key that looks like them, whichever came first", async () => {
    const batch = await send("order-1", { emails: items }, "/api/emails/batch");
    const alone = await send("order-1#1", items[1]);
    expect(alone.body.id).not.toBe(batch.body.items[1].id);
    expect((await send("order-1#1", { ...email, subject: "Third" })).status).toBe(422);

    const first = await send("order-2#1");
    const later = await send("order-2", { emails: items }, "/api/emails/batch");
    expect(later.body.accepted).toBe(2);
    expect((await send("order-2#1")).body).toEqual(first.body);
    const again = await send("order-2", { emails: items }, "/api/emails/batch");
    expect(again.body.items).toEqual(later.body.items);
  });
});
