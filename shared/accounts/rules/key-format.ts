/**
 * The text of a key: `<product>_<kind>_<43 characters><6 of a checksum>`. Its kind is known before
 * anything is looked up, and a token that was mistyped or cut is refused without a look-up. The
 * first key of a user has an older form without kind and checksum. Pure.
 */

/** `live` and `test` are of users and teams, `op` of operators. */
export const keyKinds = ["live", "test", "op"] as const;
export type KeyKind = (typeof keyKinds)[number];

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** The largest multiple of the alphabet's length in a byte: what is above would favour some. */
const USABLE = 248;
/** 256 bits. */
export const RANDOM_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
/** Of the random part, in the beginning by which a key is identified. */
const SHOWN_LENGTH = 7;

const form = new RegExp(
  `^[a-z0-9-]+_(${keyKinds.join("|")})` +
    `_([0-9A-Za-z]{${RANDOM_LENGTH}})([0-9A-Za-z]{${CHECKSUM_LENGTH}})$`,
);

/** Text for random bytes; fewer characters than bytes, since some bytes are left out. */
export function randomText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) if (byte < USABLE) text += ALPHABET[byte % ALPHABET.length];
  return text;
}

/** @param random text of `RANDOM_LENGTH` */
export function composeKey(product: string, kind: KeyKind, random: string) {
  const start = `${product}_${kind}_`;
  return {
    key: `${start}${random}${checksumOf(`${kind}_${random}`)}`,
    prefix: start + random.slice(0, SHOWN_LENGTH),
  };
}

/** `other`: a token of another form, such as the first key of a user. */
export function readKey(token: string): KeyKind | "mistyped" | "other" {
  const [, kind, random = "", checksum] = form.exec(token) ?? [];
  if (kind === undefined) return "other";
  return checksumOf(`${kind}_${random}`) === checksum ? (kind as KeyKind) : "mistyped";
}

/** CRC-32 (ISO-HDLC) in six characters. It finds mistakes; it protects nothing. */
function checksumOf(text: string): string {
  let rest = crc32(text);
  let written = "";
  for (let n = 0; n < CHECKSUM_LENGTH; n += 1) {
    written = (ALPHABET[rest % ALPHABET.length] ?? "") + written;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return written;
}

const POLYNOMIAL = 0xedb88320;

function crc32(text: string): number {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
