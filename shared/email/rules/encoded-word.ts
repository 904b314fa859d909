/**
 * Whether readers take a part of a text for an encoded-word such as `=?UTF-8?Q?Hi?=` (RFC 2047, 2),
 * and show what it decodes to. Some decode also one with spaces, or within quotes.
 */
export function looksEncoded(text: string): boolean {
  return /=\?[^?]*\?[BbQq]\?[^?]*\?=/.test(text);
}
