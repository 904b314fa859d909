import type { Clock } from "../../base/clock.ts";
import { describeError, log } from "../../worker/log.ts";
import { listFields, validate } from "../../worker/validate.ts";
import type { CacheCounts } from "../rules/counts.ts";
import { freshForMs, givenTags, MAX_LIFE_MS, type Entry } from "../rules/entry.ts";
import { encode, type Envelope } from "../rules/envelope.ts";
import type { ReadOptions } from "../rules/read.ts";
import type { TagIndexClient } from "../tags/isolate/client.ts";
import { isTag } from "../tags/rules/names.ts";
import { carriedNames, MAX_TAGS_PER_SYNC } from "../tags/rules/rpc.ts";
import { freshnessOf } from "./entry-freshness.ts";
import type { KvTier } from "./kv.ts";
import type { Memory } from "./memory.ts";

export type StorePorts = {
  memory: Memory;
  kv: KvTier;
  tags: TagIndexClient;
  /** The counts of a key's family. */
  countsOf: (key: string) => CacheCounts;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  /** Keeps work alive after its request has ended: `waitUntil`. */
  background: (work: Promise<unknown>) => void;
};

type Grace = Required<
  Pick<ReadOptions<unknown, unknown>, "negativeIn" | "staleWhileRevalidateMs" | "staleIfErrorMs">
>;

/** `name`: where KV is to keep it; null: nowhere. */
type ToStore = { entry: Entry; envelope: Envelope<unknown>; name: string | null };

/** Of an entry, besides those that follow from its key: as many as one sync registers. */
export const MAX_TAGS = MAX_TAGS_PER_SYNC;
const KV_MIN_TTL_SECONDS = 60;

/**
 * Stores an entry that was loaded in memory, and in KV in the background. An entry that was purged
 * or expired during its load is not stored, nor is one that could not be purged.
 *
 * @returns whether it is stored when this returns: in memory. KV may take it later
 */
export function storeEntry(
  ports: StorePorts,
  read: Grace,
  { entry, envelope, name }: ToStore,
): boolean {
  const freshness = freshnessOf(entry, ports.tags.view);
  const refused = refusedNames(entry);
  if (refused !== null) {
    ports.countsOf(entry.key).unstorable += 1;
    log("warn", "cache.tags_refused", { refused });
    return false;
  }
  if (
    freshness === "purged" ||
    freshness === "unknown" ||
    freshForMs(entry, ports.clock.now()) <= 0
  )
    return false;
  const inMemory = ports.memory.set(entry);
  const isShared = name !== null && (entry.value !== null || read.negativeIn === "everywhere");
  if (isShared) ports.background(writeToKv(ports, read, { entry, envelope, name }));
  return inMemory;
}

/** Why an entry could not be purged, by the places of its names and without them; else null. */
function refusedNames({ key, tags }: Entry): string | null {
  const given = givenTags(key, tags);
  if (given.length <= MAX_TAGS && tags.every(isTag)) return null;
  const checked = validate(carriedNames, { key, tags: given });
  // A tag that follows from a key may be longer than the key.
  return checked.ok ? "key is too long" : listFields(checked.error.errors);
}

async function writeToKv(
  { countsOf, kv, tags }: StorePorts,
  read: Grace,
  { entry, envelope, name }: ToStore & { name: string },
): Promise<void> {
  try {
    const encoded = encode(envelope);
    if (!encoded.ok) {
      countsOf(entry.key).tooLarge += 1;
      log("warn", "cache.too_large", { bytes: encoded.error.bytes });
      return;
    }
    const graceMs = Math.max(read.staleWhileRevalidateMs, read.staleIfErrorMs);
    const keepMs = Math.min(entry.ttlMs + (entry.value === null ? 0 : graceMs), MAX_LIFE_MS);
    const ttlSeconds = Math.max(Math.ceil(keepMs / 1_000), KV_MIN_TTL_SECONDS);
    if (
      freshnessOf(entry, tags.view) === "purged" ||
      !(await kv.write(name, encoded.value, ttlSeconds))
    )
      return;
    countsOf(entry.key).writes += 1;
    tags.register({
      key: name,
      tags: givenTags(name, entry.tags),
      seq: entry.stamp.seq,
      expiresAt: envelope.createdAt + ttlSeconds * 1_000,
    });
  } catch (error) {
    log("error", "cache.share_failed", describeError(error));
  }
}
