import { sha256Hex } from "../lib/base/hash.ts";

/** A new API key: shown once, stored only as `hash`. */
export type NewApiKey = { key: string; hash: string; prefix: string };

const RANDOM_BYTES = 32;
const PREFIX_LENGTH = 12;

export async function newApiKey(): Promise<NewApiKey> {
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
  const key = `luna_${random.toBase64({ alphabet: "base64url", omitPadding: true })}`;
  return { key, hash: await sha256Hex(key), prefix: key.slice(0, PREFIX_LENGTH) };
}
