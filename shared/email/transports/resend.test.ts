import { afterEach, describe, expect, it, vi } from "vitest";
import { outgoingEmail as email } from "../../../test/support/outgoing-email.ts";
import { resendTransport } from "./resend.ts";

const transport = resendTransport({ apiKey: "re_secret", baseUrl: "https://resend.example" });
afterEach(() => void vi.restoreAllMocks());

describe("a hand-over to Resend", () => {
  it("has the email's key, carries each field separately and follows no redirect", async () => {
    const fetched = vi.spyOn(globalThis, "fetch").mockResolvedValue(Response.json({ id: "re-1" }));
    const replyTo = [{ name: "", address: "help@luna.example" }];
    expect(await transport.send({ ...email, replyTo })).toMatchObject({
      kind: "accepted",
      detail: { providerId: "re-1" },
    });
    const [url, init] = fetched.mock.calls[0] as [string, RequestInit];
    expect(url).toBe("https://resend.example/emails");
    expect(init.redirect).toBe("manual");
    expect(Object.fromEntries(new Headers(init.headers))).toEqual({
      authorization: "Bearer re_secret",
      "content-type": "application/json",
      "idempotency-key": "m1:2",
      "user-agent": "luna-backend",
    });
    expect(JSON.parse(init.body as string)).toEqual({
      from: "Luna <hello@luna.example>",
      to: ["ada@example.com"],
      subject: "Hello",
      text: "Hi",
      reply_to: "help@luna.example",
      headers: { "X-Luna-Email": "m1:2", "Auto-Submitted": "auto-generated" },
      tags: [{ name: "luna_email", value: "m1_2" }],
    });
  });

  it("has headers of the sender, inline files and several addresses for replies", async () => {
    const fetched = vi.spyOn(globalThis, "fetch").mockResolvedValue(Response.json({ id: "re-1" }));
    const logo = { filename: "logo.png", contentType: "image/png", content: "SGk=" };
    await transport.send({
      ...email,
      replyTo: [
        { name: "Help, Inc.", address: "help@luna.example" },
        { name: "", address: "b@luna.example" },
      ],
      headers: { References: "<a@x.example> <b@x.example>", "auto-submitted": "no" },
      attachments: [{ ...logo, contentId: "logo" }],
    });
    const [, init] = fetched.mock.calls[0] as [string, RequestInit];
    expect(JSON.parse(init.body as string)).toMatchObject({
      reply_to: ['"Help, Inc." <help@luna.example>', "b@luna.example"],
      headers: {
        "X-Luna-Email": "m1:2",
        "Auto-Submitted": "auto-generated",
        References: "<a@x.example> <b@x.example>",
      },
      attachments: [{ filename: "logo.png", content_type: "image/png", content_id: "logo" }],
    });
    expect(init.body).not.toContain('"auto-submitted"');
  });

  it("asks for no text part with an empty text, and leaves the text of an earlier email to Resend", async () => {
    const bodies: Record<string, unknown>[] = [];
    vi.spyOn(globalThis, "fetch").mockImplementation(async (_, init) => {
      bodies.push(JSON.parse(init?.body as string) as Record<string, unknown>);
      return Response.json({ id: "re-1" });
    });
    for (const text of ["", null]) await transport.send({ ...email, html: "<p>Hi</p>", text });
    expect(bodies.map(({ text }) => text)).toEqual(["", undefined]);
  });

  it("asks with the same bytes each time, or Resend would refuse the repeat", async () => {
    const bodies: unknown[] = [];
    vi.spyOn(globalThis, "fetch").mockImplementation(async (_, init) => {
      bodies.push(init?.body);
      return Response.json({ id: "re-1" });
    });
    await transport.send(email);
    await transport.send({ ...email });
    expect(bodies[1]).toBe(bodies[0]);
  });

  it("carries uploaded files in the bytes of its JSON, the same each time", async () => {
    const bodies: Uint8Array[] = [];
    vi.spyOn(globalThis, "fetch").mockImplementation(async (_, init) => {
      bodies.push(init?.body as unknown as Uint8Array);
      return Response.json({ id: "re-1" });
    });
    const bytes = Uint8Array.from({ length: 1_000 }, (_, n) => n % 256);
    const file = { filename: "a.bin", contentType: "image/png", bytes };
    const inline = { filename: "b.txt", contentType: "text/plain", content: "SGk=" };
    const attachments = [file, inline, { ...file, contentId: "logo" }];
    for (let attempt = 0; attempt < 2; attempt += 1)
      await transport.send({ ...email, attachments });
    const content = Buffer.from(bytes).toString("base64");
    const [first, second] = bodies.map((body) => Buffer.from(body).toString());
    expect(JSON.parse(first ?? "")).toMatchObject({
      subject: "Hello",
      attachments: [
        { filename: "a.bin", content_type: "image/png", content },
        { filename: "b.txt", content: "SGk=" },
        { filename: "a.bin", content_id: "logo", content },
      ],
    });
    expect(second).toBe(first);
  });

  it("leaves the outcome open when it is led elsewhere, and when nothing answers", async () => {
    vi.spyOn(globalThis, "fetch").mockResolvedValue(
      new Response(null, { status: 307, headers: { Location: "https://evil.example" } }),
    );
    expect((await transport.send(email)).kind).toBe("unknown");
    vi.spyOn(globalThis, "fetch").mockRejectedValue(new TypeError("fetch failed"));
    expect(await transport.send(email)).toMatchObject({
      kind: "unknown",
      detail: { text: "fetch failed" },
    });
  });
});
