import { describe, expect, it } from "vitest";
import { outgoingEmail as email } from "../../../test/support/outgoing-email.ts";
import { cloudflareTransport } from "./cloudflare.ts";
import { countsAsCloudflareFailure } from "./rules/cloudflare-outcome.ts";

/** A scripted binding, which keeps what it was given. */
function binding(answer: () => Promise<EmailSendResult>) {
  const sent: unknown[] = [];
  const send = async (message: unknown): Promise<EmailSendResult> => {
    sent.push(message);
    return await answer();
  };
  return { sent, transport: cloudflareTransport({ send }) };
}

describe("the send_email binding", () => {
  it("gets each field separately, so that none can become another, and an id", async () => {
    const { sent, transport } = binding(async () => ({ messageId: "m-1" }));
    const attachments = [{ filename: "a.txt", contentType: "text/plain", content: "SGk=" }];
    const outcome = await transport.send({
      ...email,
      html: "<p>Hi</p>",
      replyTo: [{ name: "", address: "help@luna.example" }],
      attachments,
      unsubscribeUrl: "https://x.example/u",
    });
    expect(outcome).toEqual({
      kind: "accepted",
      detail: { transport: "cloudflare", phase: "SEND", text: "accepted", providerId: "m-1" },
    });
    expect(sent).toEqual([
      {
        from: { name: "Luna", email: "hello@luna.example" },
        to: "ada@example.com",
        subject: "Hello",
        html: "<p>Hi</p>",
        text: "Hi",
        replyTo: "help@luna.example",
        headers: {
          "List-Unsubscribe": "<https://x.example/u>",
          "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
          "X-Luna-Email": "m1:2",
          "Auto-Submitted": "auto-generated",
        },
        attachments: [
          { disposition: "attachment", filename: "a.txt", type: "text/plain", content: "SGk=" },
        ],
      },
    ]);
  });

  it("gets an uploaded file as its bytes", async () => {
    const { sent, transport } = binding(async () => ({ messageId: "m-1" }));
    const bytes = Uint8Array.from([0, 255, 10]);
    const file = { filename: "a.bin", contentType: "image/png", bytes };
    await transport.send({ ...email, attachments: [file] });
    expect(sent).toMatchObject([{ attachments: [{ filename: "a.bin", content: bytes }] }]);
  });

  it("gets headers, inline files and names, and refuses what it has no field for", async () => {
    const { sent, transport } = binding(async () => ({ messageId: "m-1" }));
    const help = { name: "Help, Inc.", address: "help@luna.example" };
    const logo = { filename: "logo.png", contentType: "image/png", content: "SGk=" };
    await transport.send({
      ...email,
      replyTo: [help],
      headers: { "X-Entity-Ref-ID": "42", "x-luna-email": "forged" },
      attachments: [{ ...logo, contentId: "logo" }],
    });
    expect(sent).toMatchObject([
      {
        replyTo: { name: "Help, Inc.", email: "help@luna.example" },
        headers: {
          "X-Luna-Email": "m1:2",
          "Auto-Submitted": "auto-generated",
          "X-Entity-Ref-ID": "42",
        },
        attachments: [{ disposition: "inline", contentId: "logo", type: "image/png" }],
      },
    ]);
    expect(Object.keys((sent[0] as { headers: object }).headers)).toHaveLength(3);
    expect(await transport.send({ ...email, replyTo: [help, help] })).toMatchObject({
      kind: "refused_permanent",
      detail: { phase: "API", text: "it takes one address for replies" },
    });
    expect(sent).toHaveLength(1);
  });

  it("gets no text part that is empty", async () => {
    const { sent, transport } = binding(async () => ({ messageId: "m-1" }));
    await transport.send({ ...email, html: "<p>Hi</p>", text: "" });
    expect(sent[0]).not.toHaveProperty("text");
  });

  // https://developers.cloudflare.com/email-service/api/send-emails/workers-api/#error-codes
  it.each([
    ["E_VALIDATION_ERROR", "refused_permanent", false],
    ["E_FIELD_MISSING", "refused_permanent", false],
    ["E_TOO_MANY_RECIPIENTS", "refused_permanent", false],
    ["E_TOO_MANY_ATTACHMENTS", "refused_permanent", false],
    ["E_SENDER_NOT_VERIFIED", "server_failed", false],
    ["E_RECIPIENT_NOT_ALLOWED", "refused_permanent", false],
    ["RCPT_NOT_ALLOWED", "refused_permanent", false],
    ["E_RECIPIENT_SUPPRESSED", "refused_permanent", false],
    ["E_SENDER_DOMAIN_NOT_AVAILABLE", "server_failed", false],
    ["E_CONTENT_TOO_LARGE", "refused_permanent", false],
    ["E_DELIVERY_FAILED", "refused_transient", false],
    ["E_RATE_LIMIT_EXCEEDED", "rate_limited", false],
    ["E_DAILY_LIMIT_EXCEEDED", "rate_limited", false],
    ["E_INTERNAL_SERVER_ERROR", "unknown", true],
    ["E_HEADER_NOT_ALLOWED", "refused_permanent", false],
    ["E_HEADER_USE_API_FIELD", "refused_permanent", false],
    ["E_HEADER_VALUE_INVALID", "refused_permanent", false],
    ["E_HEADER_VALUE_TOO_LONG", "refused_permanent", false],
    ["E_HEADER_NAME_INVALID", "refused_permanent", false],
    ["E_HEADERS_TOO_LARGE", "refused_permanent", false],
    ["E_HEADERS_TOO_MANY", "refused_permanent", false],
    ["E_OF_TOMORROW", "unknown", true],
  ] as const)("%s: %s, and counts as a failure of the service: %s", async (code, kind, against) => {
    const { transport } = binding(() =>
      Promise.reject(Object.assign(new Error("said Cloudflare"), { code })),
    );
    const outcome = await transport.send(email);
    expect(outcome).toMatchObject({
      kind,
      detail: { transport: "cloudflare", code, text: "said Cloudflare" },
    });
    expect(countsAsCloudflareFailure(outcome)).toBe(against);
  });

  it("that fails without a code, or with one that is none, leaves the outcome open", async () => {
    for (const error of [
      new Error("internal error"),
      "a text",
      Object.assign(new Error("x"), { code: "ada@example.com" }),
    ]) {
      const { transport } = binding(() => Promise.reject(error));
      expect((await transport.send(email)).kind).toBe("unknown");
    }
  });
});
