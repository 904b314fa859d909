import PostalMime from "postal-mime";
import { isDeliveryReport } from "./rules/delivery-status.ts";

/**
 * So much of a delivery report is read. The status stands before the email that came back, which
 * may be large.
 */
const MAX_READ_BYTES = 512 * 1_024;

/** With addresses beyond ASCII: RFC 6533. */
const statusTypes = new Set(["message/delivery-status", "message/global-delivery-status"]);

/**
 * The text of the part `message/delivery-status` of an email; null if the email is no delivery
 * report, such as the automatic reply of a person. Never throws because of what the email contains.
 */
export async function deliveryStatusIn(raw: ReadableStream<Uint8Array>): Promise<string | null> {
  const bytes = await beginningOf(raw);
  try {
    // The email that came back is no part of the report.
    const { headers, attachments } = await PostalMime.parse(bytes, {
      forceRfc822Attachments: true,
    });
    const type = headers.find(({ key }) => key === "content-type")?.value ?? "";
    if (!isDeliveryReport(type)) return null;
    const status = attachments.find(({ mimeType }) => statusTypes.has(mimeType));
    if (status === undefined) return null;
    const { content } = status;
    return typeof content === "string" ? content : new TextDecoder().decode(content);
  } catch {
    return null;
  }
}

async function beginningOf(raw: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of raw) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size >= MAX_READ_BYTES) break;
  }
  const bytes = new Uint8Array(Math.min(size, MAX_READ_BYTES));
  let at = 0;
  for (const chunk of chunks) {
    const part = chunk.subarray(0, bytes.byteLength - at);
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}
