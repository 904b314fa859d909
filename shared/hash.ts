/** SHA-256 of UTF-8 text as 64 lower-case hex digits. */
export async function sha256Hex(text: string): Promise<string> {
  return new Uint8Array(await sha256(text)).toHex();
}

export async function sha256(text: string): Promise<ArrayBuffer> {
  return await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
}
