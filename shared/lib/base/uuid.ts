const RANDOM_BYTES = 8;
const MAX_SHARD = 0xfff;
const MAX_TIME_MS = 2 ** 48 - 1;

/**
 * A UUID of version 7 (RFC 9562, 5.7): ids sort by their time. Its 12 bits of rand_a are a number
 * of the caller's; the other 62 are random.
 *
 * @param timeMs milliseconds since the epoch, below 2^48
 * @param shard 0 to 4095
 * @param random 8 bytes
 * @throws RangeError if one of them is out of its range
 */
export function uuidV7(timeMs: number, shard: number, random: Uint8Array): string {
  if (!Number.isInteger(timeMs) || timeMs < 0 || timeMs > MAX_TIME_MS)
    throw new RangeError("timeMs must be a whole number of 48 bits");
  if (!Number.isInteger(shard) || shard < 0 || shard > MAX_SHARD)
    throw new RangeError("shard must be a whole number of 12 bits");
  if (random.length !== RANDOM_BYTES) throw new RangeError("random must have 8 bytes");
  const [first = 0, ...rest] = random;
  const time = timeMs.toString(16).padStart(12, "0");
  const randA = shard.toString(16).padStart(3, "0");
  const randB = [(first & 0x3f) | 0x80, ...rest].map((byte) => byte.toString(16).padStart(2, "0"));
  const [b, c] = [randB.slice(0, 2).join(""), randB.slice(2).join("")];
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randA}-${b}-${c}`;
}

/** A UUID of version 7 with random bits of the platform's. */
export const newUuidV7 = (timeMs: number, shard: number): string =>
  uuidV7(timeMs, shard, crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)));
