import { createHash } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { afterAll, describe, expect, it } from "vitest";
import { httpServer } from "../support/http-server.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { useStack } from "./support.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Bytes that neither base64 nor text leaves as they are. */
function anyBytes(length: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(length);
  for (let n = 0; n < length; n += 4) bytes.writeInt32LE(Math.imul(n, 0x9e3779b1), n);
  return bytes;
}

const bytes = anyBytes(20 * 1_048_576);
const small = { filename: "a.txt", contentType: "text/plain", content: "SGk=" };

/** Uploads a file of 20 MiB. @returns what names it in an email */
async function upload({ server }: ReturnType<typeof useStack>): Promise<{ id: string }> {
  const response = await server.fetch("/api/attachments?filename=scan.tiff", {
    method: "POST",
    headers: {
      Authorization: `Bearer ${ADMIN_TOKEN}`,
      "Content-Type": "image/tiff",
      "Content-Length": String(bytes.length),
    },
    body: bytes,
  });
  expect(response.status).toBe(201);
  const uploaded = (await response.json()) as { id: string; sha256: string };
  expect(uploaded.sha256).toBe(sha256(bytes));
  return { id: uploaded.id };
}

describe("a file of 20 MiB arrives byte by byte, from the upload through R2", () => {
  describe("by SMTP", () => {
    const stack = useStack({}, [], "file");

    it("at the mail server", async () => {
      const attachments = [await upload(stack), small];
      const id = await stack.send("ada@example.com", { attachments });
      await stack.until(id, "sent");
      expect(stack.sink.copiesOf(id)).toBe(1);
      const [large, other] = stack.sink.delivered[0]?.email.attachments ?? [];
      expect(large).toMatchObject({ filename: "scan.tiff", mimeType: "image/tiff" });
      expect(sha256(new Uint8Array(large?.content as ArrayBuffer))).toBe(sha256(bytes));
      expect(Buffer.from(other?.content as ArrayBuffer).toString()).toBe("Hi");
    });
  });

  describe("by Resend", async () => {
    type Taken = { attachments: { filename: string; content: string }[] };
    const taken: Taken[] = [];
    const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      taken.push((await json(request)) as Taken);
      response.writeHead(200, { "Content-Type": "application/json" }).end('{"id":"re-1"}');
    };
    const resend = httpServer((request, response) => void take(request, response));
    resend.listen(0, "127.0.0.1");
    await once(resend, "listening");
    afterAll(() => void resend.close());
    const { port } = resend.address() as AddressInfo;
    const stack = useStack(
      {
        // The first does not take its size.
        EMAIL_TRANSPORTS: "cloudflare,resend",
        RESEND_API_KEY: "re_test",
        RESEND_BASE_URL: `http://127.0.0.1:${port}`,
      },
      [],
      "file",
    );

    it("at its API, past a transport that does not take its size", async () => {
      const attachments = [small, await upload(stack)];
      const id = await stack.send("ada@example.com", { attachments });
      const sent = await stack.until(id, "sent");
      expect(sent.attempts).toBe(1);
      const [other, large] = taken[0]?.attachments ?? [];
      expect(other).toMatchObject({ filename: "a.txt", content: "SGk=" });
      expect(sha256(Buffer.from(large?.content ?? "", "base64"))).toBe(sha256(bytes));
      expect(taken).toHaveLength(1);
    });
  });
});
