/**
 * Secrets of endpoints. D1 has them encrypted with AES-256-GCM under a key that HKDF derives from
 * `SECRETS_KEY`. The id of the endpoint is authenticated, so that a secret cannot be moved to
 * another row.
 */

const SECRET_BYTES = 32;
const IV_BYTES = 12;

const bytesOf = (text: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(new TextEncoder().encode(text));

/** A secret of Standard Webhooks. */
export const newSecret = (): string =>
  `whsec_${crypto.getRandomValues(new Uint8Array(SECRET_BYTES)).toBase64()}`;

async function derivedKey(secretsKey: string): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey("raw", bytesOf(secretsKey), "HKDF", false, [
    "deriveKey",
  ]);
  return await crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: bytesOf("webhook secrets") },
    material,
    { name: "AES-GCM", length: 256 },
    false,
    ["encrypt", "decrypt"],
  );
}

/** @returns base64 of a random IV and what it encrypts */
export async function encryptSecret(
  secretsKey: string,
  endpointId: string,
  secret: string,
): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const encrypted = await crypto.subtle.encrypt(
    { name: "AES-GCM", iv, additionalData: bytesOf(endpointId) },
    await derivedKey(secretsKey),
    bytesOf(secret),
  );
  return new Uint8Array([...iv, ...new Uint8Array(encrypted)]).toBase64();
}

/** @throws Error if it was encrypted under another key or for another endpoint */
export async function decryptSecret(
  secretsKey: string,
  endpointId: string,
  encrypted: string,
): Promise<string> {
  const bytes = Uint8Array.fromBase64(encrypted);
  const secret = await crypto.subtle.decrypt(
    { name: "AES-GCM", iv: bytes.subarray(0, IV_BYTES), additionalData: bytesOf(endpointId) },
    await derivedKey(secretsKey),
    bytes.subarray(IV_BYTES),
  );
  return new TextDecoder().decode(secret);
}
