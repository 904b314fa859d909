/** A fully qualified domain name (RFC 5321, 2.3.5), of at most 255 octets. */
export const DOMAIN =
  /^(?=.{4,255}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$/;

/**
 * The name with which a client greets an SMTP server. An isolate has no name of its own, and large
 * servers refuse `[127.0.0.1]`. So it is the configured name, else the host of Luna's own URL, else
 * the domain of the sender. Null if none of them is a domain.
 */
export function ehloName({
  configured,
  publicUrl,
  sender,
}: {
  configured: string | null;
  publicUrl: string | undefined;
  /** A mailbox such as `Luna <hello@luna.example>`. */
  sender: string | undefined;
}): string | null {
  const host = URL.parse(publicUrl ?? "")?.hostname;
  const domain = /@([^@<>\s]+)>?\s*$/.exec(sender ?? "")?.[1];
  return [configured, host, domain].find((name) => name != null && DOMAIN.test(name)) ?? null;
}
