import { hmacSha256, hmacVerify } from "../lib/base/hash.ts";
import type { EmailCategory } from "./schemas.ts";

/**
 * Links by which people unsubscribe (RFC 8058). They name the email and no address, and are worth
 * nothing without the signature.
 */

export type UnsubscribeSettings = { publicUrl: string; secret: string };

const signed = (emailId: string): string => `unsubscribe:${emailId}`;

/** The link of one email. */
export async function unsubscribeUrl(
  { publicUrl, secret }: UnsubscribeSettings,
  emailId: string,
): Promise<string> {
  return `${publicUrl}/unsubscribe/${emailId}.${await hmacSha256(secret, signed(emailId))}`;
}

/** @returns the email that a link's token was made for, or null if the token is not ours */
export async function emailOfToken(secret: string, token: string): Promise<string | null> {
  const [emailId = "", signature = ""] = token.split(".");
  return (await hmacVerify(secret, signed(emailId), signature)) ? emailId : null;
}

/** Whether an email must have an unsubscribe link. */
export function offersUnsubscribe(category: EmailCategory | undefined): boolean {
  return category !== undefined && category !== "transactional";
}
