import * as v from "valibot";
import { fail, ok, type Result } from "../../base/result.ts";

/**
 * What KV holds under a key: the value with what is needed to tell whether it may still be served.
 * Times in milliseconds.
 */
export type Envelope<Value> = {
  v: 1;
  /** The whole key, since KV may hold its hash: an entry under another's key is nobody's. */
  key: string;
  createdAt: number;
  ttlMs: number;
  tags: string[];
  /** The stamp: see `cache-tags/sequence.ts`. */
  seq: number;
  generation: string;
  value: Value;
};

const whole = (min: number) => v.pipe(v.number(), v.integer(), v.minValue(min));

const envelope = v.strictObject({
  v: v.literal(1),
  key: v.string(),
  createdAt: whole(0),
  ttlMs: whole(1),
  tags: v.array(v.string()),
  seq: whole(0),
  generation: v.string(),
  value: v.unknown(),
});

/** The most that KV takes as one value (developers.cloudflare.com/kv/platform/limits). */
const MAX_BYTES = 25 * 1_024 * 1_024;

/** @returns `too-large` with the bytes that it would have; such an entry is not stored */
export function encode<Value>(
  entry: Envelope<Value>,
  maxBytes = MAX_BYTES,
): Result<Uint8Array, { tag: "too-large"; bytes: number }> {
  const encoded = new TextEncoder().encode(JSON.stringify(entry));
  return encoded.byteLength > maxBytes
    ? fail({ tag: "too-large", bytes: encoded.byteLength })
    : ok(encoded);
}

/** Why an entry is not used. Each is a miss, and the entry is deleted: none speaks against KV. */
export type Corruption =
  | { tag: "not-json" }
  | { tag: "not-an-envelope" }
  | { tag: "another-key" }
  | { tag: "not-the-shape" };

/**
 * Reads what KV returned. Nothing in it is trusted: neither that it is JSON, nor that it was
 * written for this key, nor that its value is what the caller expects.
 */
export function decode<Schema extends v.GenericSchema>(
  text: string,
  key: string,
  schema: Schema,
): Result<Envelope<v.InferOutput<Schema>>, Corruption> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return fail({ tag: "not-json" });
  }
  const parsed = v.safeParse(envelope, json);
  if (!parsed.success) return fail({ tag: "not-an-envelope" });
  if (parsed.output.key !== key) return fail({ tag: "another-key" });
  const value = v.safeParse(schema, parsed.output.value);
  return value.success
    ? ok({ ...parsed.output, value: value.output })
    : fail({ tag: "not-the-shape" });
}
