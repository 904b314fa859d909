import type { HandOverOf } from "./tag.ts";

/**
 * The Return-Path of an email by SMTP: an address per hand-over (VERP), to which servers send their
 * delivery reports. Pure: the signature comes from `shared/email/return-path.ts`.
 *
 * Its local part is `bounce+` and 34 bytes in lower-case base32: 62 octets, of 64 that RFC 5321,
 * 4.5.3.1.1 allows. Some servers change upper and lower case, so neither has a meaning.
 *
 * | bytes | what |
 * |---|---|
 * | 16 | the id of the email, a UUID |
 * | 2 | its generation |
 * | 2 | its part |
 * | 2 | the day of the hand-over |
 * | 12 | the beginning of the signature |
 */

const [ID_BYTES, PAYLOAD_BYTES, SIGNATURE_BYTES] = [16, 22, 12];
const TOKEN_BYTES = PAYLOAD_BYTES + SIGNATURE_BYTES;
const MAX_NUMBER = 65_535;
const DAY_MS = 86_400_000;
/**
 * Servers give up after five days (RFC 5321, 4.5.4.1). After this no report changes anything, and
 * so long repeats are known.
 */
export const RETURN_PATH_DAYS = 30;
/** With it one routing rule for `bounce@` takes them all, where subaddressing is on. */
const PREFIX = "bounce+";

/** `secrets`: the first one signs. A delivery report may be signed with any, for rotation. */
export type ReturnPathSettings = { domain: string; secrets: string[] };

/** What a Return-Path names: a hand-over, and the day when it was. */
type Handed = HandOverOf & { day: number };

export const dayNumber = (now: number): number => Math.floor(now / DAY_MS);

/** Whether its server can still report. One day of the future covers clocks that disagree. */
export function isExpired({ day }: Pick<Handed, "day">, now: number): boolean {
  const age = dayNumber(now) - day;
  return age < -1 || age > RETURN_PATH_DAYS;
}

/** What is signed; null for an email that no address can name. */
export function payloadOf({ id, generation, part, day }: Handed): Uint8Array | null {
  const digits = id.replaceAll("-", "");
  const numbers = [generation, part, day];
  if (!/^[\da-f]{32}$/.test(digits)) return null;
  if (!numbers.every((one) => Number.isInteger(one) && one >= 0 && one <= MAX_NUMBER)) return null;
  const bytes = new Uint8Array(PAYLOAD_BYTES);
  for (let at = 0; at < ID_BYTES; at += 1)
    bytes[at] = Number.parseInt(digits.slice(at * 2, at * 2 + 2), 16);
  for (const [n, value] of numbers.entries()) {
    bytes[ID_BYTES + n * 2] = value >> 8;
    bytes[ID_BYTES + n * 2 + 1] = value & 0xff;
  }
  return bytes;
}

function handedOf(payload: Uint8Array): Handed {
  const hex = Array.from(payload.subarray(0, ID_BYTES), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
  const number = (n: number): number =>
    ((payload[ID_BYTES + n * 2] ?? 0) << 8) | (payload[ID_BYTES + n * 2 + 1] ?? 0);
  return {
    id: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
    generation: number(0),
    part: number(1),
    day: number(2),
  };
}

/** @param signature of the payload, of which the beginning is used */
export function returnPathOf(payload: Uint8Array, signature: Uint8Array, domain: string): string {
  const token = new Uint8Array(TOKEN_BYTES);
  token.set(payload);
  token.set(signature.subarray(0, SIGNATURE_BYTES), PAYLOAD_BYTES);
  return `${PREFIX}${toBase32(token)}@${domain}`;
}

/** What an address has, if it has the form of a Return-Path. Nothing of it is verified. */
export type ReadReturnPath = { token: string; handed: Handed; payload: Uint8Array } & {
  /** The beginning of a signature. */
  signature: Uint8Array;
};

export function readReturnPath(address: string): ReadReturnPath | null {
  const found = /^<?bounce\+([a-z2-7]{55})@[^@]+$/i.exec(address);
  const token = found?.[1]?.toLowerCase() ?? "";
  const bytes = token === "" ? null : fromBase32(token);
  if (bytes === null) return null;
  const payload = bytes.slice(0, PAYLOAD_BYTES);
  return { token, handed: handedOf(payload), payload, signature: bytes.slice(PAYLOAD_BYTES) };
}

/** RFC 4648, 6. */
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

function toBase32(bytes: Uint8Array): string {
  let [text, bits, value] = ["", 0, 0];
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += ALPHABET[(value >> (bits - 5)) & 31];
    value &= 0xff;
  }
  return bits === 0 ? text : text + ALPHABET[(value << (5 - bits)) & 31];
}

/** Null for a text that `toBase32` does not write: each bytes have one text. */
function fromBase32(text: string): Uint8Array | null {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let [at, bits, value] = [0, 0, 0];
  for (const letter of text) {
    value = ((value << 5) | ALPHABET.indexOf(letter)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at] = (value >> bits) & 0xff;
    at += 1;
  }
  return toBase32(bytes) === text ? bytes : null;
}
