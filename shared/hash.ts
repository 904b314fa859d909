/** SHA-256 of UTF-8 text as 64 lower-case hex digits. */
export async function sha256Hex(text: string): Promise<string> {
  return hex(await sha256(text));
}

// Not toHex(): Node, where some of this runs too, does not have it yet.
const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function hex(digest: ArrayBuffer): string {
  let text = "";
  for (const byte of new Uint8Array(digest)) text += hexOfByte[byte];
  return text;
}

export async function sha256(text: string): Promise<ArrayBuffer> {
  return await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
}
