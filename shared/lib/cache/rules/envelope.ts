import * as v from "valibot";
import { fail, ok, type Result } from "../../base/result.ts";

/**
 * What KV holds under a key: the value with everything that decides whether it may be served. Times
 * in milliseconds.
 */
export type Envelope<Value> = {
  v: 1;
  /** The whole key. The name in KV may be a hash, and an entry of another key is not used. */
  key: string;
  createdAt: number;
  ttlMs: number;
  tags: string[];
  /** `seq` and `generation` are the stamp: see `tags/rules/sequence.ts`. */
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

/** @returns `too-large` with its size in bytes if KV does not take it */
export function encode<Value>(
  entry: Envelope<Value>,
  maxBytes = MAX_BYTES,
): Result<Uint8Array, { tag: "too-large"; bytes: number }> {
  const encoded = new TextEncoder().encode(JSON.stringify(entry));
  return encoded.byteLength > maxBytes
    ? fail({ tag: "too-large", bytes: encoded.byteLength })
    : ok(encoded);
}

/** Why an entry is not used. It is a miss and is deleted, and does not count as a failure of KV. */
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
