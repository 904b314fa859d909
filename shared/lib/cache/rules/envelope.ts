import * as v from "valibot";
import { fail, ok, type Result } from "../../base/result.ts";
import { tag as tagName } from "../tags/rules/names.ts";

/**
 * What KV holds under a key: the value with everything that decides whether it may be served. Times
 * in milliseconds. Releases share it: a further field must be one that an older release may ignore.
 * Any other change is a new `v`.
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

const envelope = v.object({
  v: v.literal(1),
  key: v.string(),
  createdAt: whole(0),
  ttlMs: whole(1),
  tags: v.array(tagName),
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

/**
 * Why an entry is not used. It is a miss, and does not count as a failure of KV. `not-the-shape`
 * and `newer`: it is of another release or Worker, which can use it.
 */
export type Unusable =
  | { tag: "not-json" }
  | { tag: "not-an-envelope" }
  | { tag: "another-key" }
  | { tag: "not-the-shape" }
  | { tag: "newer" };

/** Whether another release or Worker can use the entry. */
export function isForeign({ tag }: Unusable): boolean {
  return tag === "not-the-shape" || tag === "newer";
}

const newerEnvelope = v.object({ v: v.pipe(v.number(), v.integer(), v.gtValue(1)) });

/**
 * Reads what KV returned. Nothing in it is trusted: neither that it is JSON, nor that it was
 * written for this key, nor that its value is what the caller expects.
 */
export function decode<Schema extends v.GenericSchema>(
  text: string,
  key: string,
  schema: Schema,
): Result<Envelope<v.InferOutput<Schema>>, Unusable> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return fail({ tag: "not-json" });
  }
  const parsed = v.safeParse(envelope, json);
  if (!parsed.success)
    return fail({ tag: v.is(newerEnvelope, json) ? "newer" : "not-an-envelope" });
  if (parsed.output.key !== key) return fail({ tag: "another-key" });
  const value = v.safeParse(schema, parsed.output.value);
  return value.success
    ? ok({ ...parsed.output, value: value.output })
    : fail({ tag: "not-the-shape" });
}
