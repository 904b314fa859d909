/** An address in a cursor, which must not have all characters of an address. */
export const cursorOfAddress = (address: string): string =>
  new TextEncoder().encode(address).toBase64({ alphabet: "base64url", omitPadding: true });

/** Null for the cursor of another list. */
export function addressOfCursor(text: string): string | null {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
