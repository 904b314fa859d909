import * as v from "valibot";
import { elapsedMs } from "../../base/clock.ts";
import type { Freshness, Stamp } from "../tags/rules/sequence.ts";
import type { Envelope } from "./envelope.ts";
import { isPlain } from "./json.ts";
import { implicitTags } from "./keys.ts";

/**
 * A value as an isolate holds it. It is frozen, since many readers share it. Times in milliseconds.
 */
export type Entry = {
  readonly key: string;
  /** JSON. null: there is no such thing. */
  readonly value: unknown;
  /** When its load began. The value is no newer than that. */
  readonly createdAt: number;
  readonly ttlMs: number;
  readonly expiresAt: number;
  /**
   * From here on a read refreshes it early. Each isolate draws its own time, so that they do not
   * all refresh it together.
   */
  readonly refreshAt: number;
  readonly stamp: Stamp;
  /** All its tags, those included that follow from the key. */
  readonly tags: readonly string[];
  readonly bytes: number;
  /** The schema that last accepted it. */
  schema: v.GenericSchema;
  /** Its freshness, and the revision of the view under which that was decided. */
  freshness: { revision: number; value: EntryFreshness };
};

/**
 * `look-up`: the view lacks the purges of the entry's tags. `unknown`: the isolate has nothing of
 * the tag index yet.
 */
export type EntryFreshness = Freshness | "look-up" | "unknown";

/**
 * The longest that KV keeps an entry, its grace included. `CacheTagIndex` remembers purges for
 * longer than this.
 */
export const MAX_LIFE_MS = 24 * 3_600_000;
/** Entries are refreshed early in the last fifth of their life. */
const EARLY = 0.2;
/**
 * A life is shortened by up to this share, so that entries that were loaded together do not expire
 * together.
 */
const JITTER = 0.1;
/**
 * How much the clocks of isolates may differ. An entry from further in the future was written under
 * a wrong clock.
 */
const MAX_SKEW_MS = 60_000;
const OVERHEAD_BYTES = 512;

/** Whole milliseconds, at least one; 0 for a life that is none. */
export function jitteredTtlMs(ttlMs: number, random: number): number {
  return ttlMs <= 0 ? 0 : Math.max(Math.round(ttlMs * (1 - JITTER * random)), 1);
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
    freshness: { revision: -1, value: "unknown" },
  };
}

/**
 * How long an entry still lives, in milliseconds; negative once it has expired. A clock that was
 * set back does not extend a life.
 */
export function freshForMs({ createdAt, expiresAt }: Entry, now: number): number {
  return now < createdAt - MAX_SKEW_MS ? -elapsedMs(createdAt, now) : expiresAt - now;
}

/** The tags that must be registered with the index. The others follow from the name in KV. */
export function givenTags(name: string, tags: readonly string[]): string[] {
  const implicit = new Set(implicitTags(name));
  return tags.filter((tag) => !implicit.has(tag));
}

/**
 * Whether a schema accepts the value. It need not be the schema that accepted the value before.
 */
export function fits(entry: Entry, schema: v.GenericSchema): boolean {
  if (entry.schema === schema || entry.value === null) return true;
  if (!v.is(schema, entry.value)) return false;
  entry.schema = schema;
  return true;
}

function freeze<Value>(value: Value): Value {
  // What is not plain is not shared by reads of other isolates, and may be its loader's own.
  if (typeof value === "object" && value !== null && isPlain(value) && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value;
}
