import { sha256Hex } from "../lib/base/hash.ts";
import { composeKey, randomText, RANDOM_LENGTH, type KeyKind } from "./rules/key-format.ts";

/** A new API key: shown once, stored only as `hash`. */
export type NewApiKey = { key: string; hash: string; prefix: string };

const RANDOM_BYTES = 32;
/** The length of the beginning by which a key is identified: of its random part. */
const SHOWN_LENGTH = 7;

/** Enough for `RANDOM_LENGTH` characters: some bytes are left out. */
const KEY_BYTES = 96;

/** @param product what the key begins with, so that its holder recognizes it */
export async function newKeyOf(product: string, kind: KeyKind): Promise<NewApiKey> {
  let random = "";
  while (random.length < RANDOM_LENGTH)
    random += randomText(crypto.getRandomValues(new Uint8Array(KEY_BYTES)));
  const { key, prefix } = composeKey(product, kind, random.slice(0, RANDOM_LENGTH));
  return { key, hash: await sha256Hex(key), prefix };
}

/**
 * The first key of a user.
 *
 * @param product what the key begins with, so that its holder recognizes it
 */
export async function newApiKey(product: string): Promise<NewApiKey> {
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
  const start = `${product}_`;
  const key = `${start}${random.toBase64({ alphabet: "base64url", omitPadding: true })}`;
  return { key, hash: await sha256Hex(key), prefix: key.slice(0, start.length + SHOWN_LENGTH) };
}
