import { cut } from "../lib/base/cut.ts";

/** The first bytes of a body as text; what came, if it breaks off. The rest is not read. */
export async function beginningOf(body: ReadableStream | null, maxBytes: number): Promise<string> {
  if (body === null) return "";
  const reader = body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  try {
    while (length < maxBytes) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value.subarray(0, maxBytes - length), { stream: true });
      length += value.length;
    }
    await reader.cancel();
  } catch {
    // It broke off, or the time is over.
  }
  return cut(text, maxBytes);
}
