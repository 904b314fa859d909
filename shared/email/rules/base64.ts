/** Whether a text is base64 with its padding (RFC 4648, 4), in one pass over it. Pure. */
export function isBase64(text: string): boolean {
  if (text.length % 4 !== 0) return false;
  const end = text.length - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0);
  return !/[^A-Za-z0-9+/]/.test(text.slice(0, end));
}
