/** SHA-256 of UTF-8 text as 64 lower-case hex digits. */
export async function sha256Hex(text: string): Promise<string> {
  return hex(await sha256(text));
}

// Not toHex(): Node, where some of this also runs, does not have it yet.
const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function hex(digest: ArrayBuffer): string {
  let text = "";
  for (const byte of new Uint8Array(digest)) text += hexOfByte[byte];
  return text;
}

export async function sha256(text: string): Promise<ArrayBuffer> {
  return await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
}

const base64url = { alphabet: "base64url", omitPadding: true } as const;

async function hmacKey(secret: string): Promise<CryptoKey> {
  return await crypto.subtle.importKey(
    "raw",
    new TextEncoder().encode(secret),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign", "verify"],
  );
}

/** HMAC-SHA-256 (RFC 2104) of UTF-8 text, in base64url. */
export async function hmacSha256(secret: string, text: string): Promise<string> {
  const signature = await crypto.subtle.sign(
    "HMAC",
    await hmacKey(secret),
    new TextEncoder().encode(text),
  );
  return new Uint8Array(signature).toBase64(base64url);
}

/** Compares in constant time. A text that is not base64url is not a signature. */
export async function hmacVerify(
  secret: string,
  text: string,
  signature: string,
): Promise<boolean> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Uint8Array.fromBase64(signature, base64url);
  } catch {
    return false;
  }
  return await crypto.subtle.verify(
    "HMAC",
    await hmacKey(secret),
    bytes,
    new TextEncoder().encode(text),
  );
}
