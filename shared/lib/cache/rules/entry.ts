import * as v from "valibot";
import { elapsedMs } from "../../base/clock.ts";
import type { Stamp, Verdict } from "../tags/rules/sequence.ts";
import type { Envelope } from "./envelope.ts";
import { implicitTags } from "./keys.ts";

/**
 * A value as an isolate holds it: frozen, since many readers share it. Times in milliseconds. Pure.
 */
export type Entry = {
  readonly key: string;
  /** JSON; null for "there is no such thing". */
  readonly value: unknown;
  /** When its load began: it is no newer than that. */
  readonly createdAt: number;
  readonly ttlMs: number;
  readonly expiresAt: number;
  /**
   * From here on a read renews it early. Each isolate draws its own, so that not all of them do.
   */
  readonly refreshAt: number;
  readonly stamp: Stamp;
  /** With those that follow from the key. */
  readonly tags: readonly string[];
  readonly bytes: number;
  /** What it was validated with last. */
  schema: v.GenericSchema;
  /** The verdict on it, and the view's revision that it was passed under. */
  judged: { revision: number; verdict: Verdict | "look-up" | "unknown" };
};

/**
 * The longest that KV keeps an entry, grace included: `CacheTagIndex` remembers purges for longer
 * than this.
 */
export const MAX_LIFE_MS = 24 * 3_600_000;
/** The last fifth of an entry's life. */
const EARLY = 0.2;
/**
 * An entry's life is shortened by up to this, so that what was loaded together does not expire
 * together.
 */
const JITTER = 0.1;
/**
 * Isolates' clocks differ. What is further in the future than this was written under a clock that
 * was wrong.
 */
const MAX_SKEW_MS = 60_000;
const OVERHEAD_BYTES = 512;

export function jitteredTtlMs(ttlMs: number, random: number): number {
  return Math.max(Math.round(ttlMs * (1 - JITTER * random)), 1);
}

/** @param textBytes the value's size as JSON */
export function entryFrom(
  envelope: Envelope<unknown>,
  textBytes: number,
  schema: v.GenericSchema,
  random: number,
): Entry {
  const { key, value, createdAt, ttlMs, seq, generation } = envelope;
  const tags = [...new Set([...implicitTags(key), ...envelope.tags])];
  return {
    key,
    value: freeze(value),
    createdAt,
    ttlMs,
    expiresAt: createdAt + ttlMs,
    refreshAt: createdAt + ttlMs * (1 - EARLY * random),
    stamp: { generation, seq },
    tags,
    bytes: textBytes * 2 + tags.reduce((sum, tag) => sum + tag.length, 0) + OVERHEAD_BYTES,
    schema,
    judged: { revision: -1, verdict: "unknown" },
  };
}

/**
 * How long an entry is still fresh; negative once it has expired. A clock that was set back makes
 * nothing fresh for longer.
 */
export function freshForMs({ createdAt, expiresAt }: Entry, now: number): number {
  return now < createdAt - MAX_SKEW_MS ? -elapsedMs(createdAt, now) : expiresAt - now;
}

/** Tags that the index has to be told of: the others follow from the key. */
export function givenTags({ key, tags }: Pick<Entry, "key" | "tags">): string[] {
  const implicit = new Set(implicitTags(key));
  return tags.filter((tag) => !implicit.has(tag));
}

/**
 * Whether a value may be read by this schema, which need not be the one that it was read by before.
 */
export function fits(entry: Entry, schema: v.GenericSchema): boolean {
  if (entry.schema === schema || entry.value === null) return true;
  if (!v.is(schema, entry.value)) return false;
  entry.schema = schema;
  return true;
}

function freeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value;
}
