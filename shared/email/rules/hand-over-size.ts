import type { FileOfEmail } from "./file.ts";

/** How the uploaded files of emails limit their hand-overs. Pure. */

/**
 * What an isolate, which has 128 MB, holds of uploaded files at once. A larger email goes with no
 * other that has files.
 */
export const MAX_HELD_BYTES = 16_777_216;

/** The longest that a hand-over without uploaded files may take. */
const HAND_OVER_MS = 30_000;
/** The slowest server that still gets a large email: 250 kB/s. */
const BYTES_PER_MS = 250;

/** The bytes of its uploaded files together. */
export const filesBytes = (files: readonly Pick<FileOfEmail, "sizeBytes">[] = []): number =>
  files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

/** How much longer a hand-over may take for its uploaded files. */
export const extraMs = (bytes: number): number => Math.ceil(bytes / BYTES_PER_MS);

/** The longest that a hand-over may take. */
export const handOverMs = (bytes: number): number => HAND_OVER_MS + extraMs(bytes);

/**
 * How long an email is held for a hand-over: twice what that may take, so that an outcome that
 * arrives at the last moment can still be recorded.
 */
export const leaseMs = (bytes: number): number => 2 * handOverMs(bytes);

/**
 * Whether an email joins a group with other emails, which hold so many bytes by now. One without
 * files always does. One that is larger than the limit joins no other with files.
 */
export const joins = (heldBytes: number, bytes: number): boolean =>
  bytes === 0 || heldBytes + bytes <= MAX_HELD_BYTES;
