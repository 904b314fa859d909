import { createHmac, timingSafeEqual } from "node:crypto";
import {
  dayNumber,
  isExpired,
  payloadOf,
  readReturnPath,
  returnPathOf,
  type ReadReturnPath,
  type ReturnPathSettings,
} from "./rules/return-path.ts";
import type { HandOverOf } from "./rules/tag.ts";

/** Signed Return-Paths of emails by SMTP, by which delivery reports name them. */

const signatureOf = (secret: string, payload: Uint8Array): Uint8Array =>
  createHmac("sha256", secret).update("return-path:").update(payload).digest();

/** The Return-Path of a hand-over; null for an email that no address can name. */
export function signedReturnPath(
  { domain, secrets }: ReturnPathSettings,
  email: HandOverOf,
  now: number,
): string | null {
  const payload = payloadOf({ ...email, day: dayNumber(now) });
  const [secret] = secrets;
  if (payload === null || secret === undefined) return null;
  return returnPathOf(payload, signatureOf(secret, payload), domain);
}

/** The hand-over to which an address belongs, and the part of the address that names it. */
export type Addressed =
  | { ok: true; email: HandOverOf; token: string }
  | { ok: false; reason: "unsigned" | "expired" };

/** Which hand-over a delivery report is about, by the address that it was sent to. */
export function verifiedReturnPath(
  { secrets }: Pick<ReturnPathSettings, "secrets">,
  address: string,
  now: number,
): Addressed {
  const read = readReturnPath(address);
  if (read === null || !secrets.some((secret) => isSigned(secret, read)))
    return { ok: false, reason: "unsigned" };
  if (isExpired(read.handed, now)) return { ok: false, reason: "expired" };
  const { id, generation, part } = read.handed;
  return { ok: true, email: { id, generation, part }, token: read.token };
}

const isSigned = (secret: string, { payload, signature }: ReadReturnPath): boolean =>
  timingSafeEqual(signatureOf(secret, payload).subarray(0, signature.length), signature);
