import { Buffer } from "node:buffer";

/** So much of a file is encoded at a time, so that its base64 is there only once. */
const PART_BYTES = 3 * 65_536;

/** Stands for a file in the text. No text of an email has this character. */
const MARK = "\u0000";
/** A mark alone in its quotes, as JSON has it. */
const MARKED = /"\\u0000(\d+)"/;

/** The text that stands for the file at a place among those of `jsonBody`. */
export const fileMark = (place: number): string => `${MARK}${place}`;

/**
 * JSON with files as base64 in the places of their marks: the bytes that `JSON.stringify` would
 * give, without the text of them.
 */
export function jsonBody(value: unknown, files: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const parts = JSON.stringify(value).split(MARKED);
  // Text and places take turns.
  const pieces = parts.map((part, n) => (n % 2 === 0 ? part : (files[Number(part)] ?? part)));
  const body = Buffer.alloc(pieces.reduce((sum, piece) => sum + sizeOf(piece), 0));
  let at = 0;
  for (const piece of pieces) {
    if (typeof piece === "string") {
      at += body.write(piece, at, "utf8");
      continue;
    }
    at += body.write('"', at, "latin1");
    for (let from = 0; from < piece.byteLength; from += PART_BYTES) {
      const part = piece.subarray(from, from + PART_BYTES);
      const text = Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString("base64");
      at += body.write(text, at, "latin1");
    }
    at += body.write('"', at, "latin1");
  }
  return body;
}

const QUOTES = 2;

const sizeOf = (piece: string | Uint8Array): number =>
  typeof piece === "string"
    ? Buffer.byteLength(piece)
    : QUOTES + 4 * Math.ceil(piece.byteLength / 3);
