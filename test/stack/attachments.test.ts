import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { ADMIN_TOKEN } from "../support/http.ts";
import { useStack } from "./support.ts";

const stack = useStack({}, [], "file");
const { send, until } = stack;

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Bytes that neither base64 nor text leaves as they are. */
function anyBytes(length: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(length);
  for (let n = 0; n < length; n += 4) bytes.writeInt32LE(Math.imul(n, 0x9e3779b1), n);
  return bytes;
}

async function upload(filename: string, contentType: string, bytes: Buffer<ArrayBuffer>) {
  const response = await stack.server.fetch(`/api/attachments?filename=${filename}`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${ADMIN_TOKEN}`,
      "Content-Type": contentType,
      "Content-Length": String(bytes.length),
    },
    body: bytes,
  });
  expect(response.status).toBe(201);
  return (await response.json()) as { id: string; sha256: string };
}

it("a file of 20 MiB arrives byte by byte, from the upload through R2 to the mail server", async () => {
  const bytes = anyBytes(20 * 1_048_576);
  const uploaded = await upload("scan.tiff", "image/tiff", bytes);
  expect(uploaded.sha256).toBe(sha256(bytes));
  const small = { filename: "a.txt", contentType: "text/plain", content: "SGk=" };
  const id = await send("ada@example.com", { attachments: [{ id: uploaded.id }, small] });
  await until(id, "sent");
  expect(stack.sink.copiesOf(id)).toBe(1);
  const [large, other] = stack.sink.delivered[0]?.email.attachments ?? [];
  expect(large).toMatchObject({ filename: "scan.tiff", mimeType: "image/tiff" });
  expect(sha256(new Uint8Array(large?.content as ArrayBuffer))).toBe(sha256(bytes));
  expect(Buffer.from(other?.content as ArrayBuffer).toString()).toBe("Hi");
});
