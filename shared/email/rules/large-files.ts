/**
 * How large an email may be that comes as one request, and which of its files a row of D1 has no
 * room for. Pure.
 */

/** The most bytes of a request with emails, by HTTP and RPC. */
export const MAX_REQUEST_BYTES = 8_388_608;

/** HTML and text of an email together. */
export const MAX_TEXTS_BYTES = 1_048_576;

/** HTML, text and files in base64 that the row of an email has. A row of D1 takes 2 MB. */
const MAX_ROW_BYTES = 1_048_576;

export const bytesOf = (text: string): number => new TextEncoder().encode(text).byteLength;

/**
 * Which files go to R2, so that the rest fits into a row: the largest first.
 *
 * @param otherBytes of the rest of the email
 * @param sizes of each file in base64; null for one that R2 has already
 * @returns their places
 */
export function placesForStore(otherBytes: number, sizes: readonly (number | null)[]): number[] {
  const largest = sizes
    .flatMap((bytes, place) => (bytes === null ? [] : [{ bytes, place }]))
    .toSorted((a, b) => b.bytes - a.bytes);
  let left = largest.reduce((sum, { bytes }) => sum + bytes, otherBytes);
  const places: number[] = [];
  for (const { bytes, place } of largest) {
    if (left <= MAX_ROW_BYTES) break;
    left -= bytes;
    places.push(place);
  }
  return places.toSorted((a, b) => a - b);
}
