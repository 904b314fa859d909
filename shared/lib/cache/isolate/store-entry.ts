import type { Clock } from "../../base/clock.ts";
import { describeError, log } from "../../worker/log.ts";
import type { CacheCounts } from "../rules/counts.ts";
import { freshForMs, givenTags, MAX_LIFE_MS, type Entry } from "../rules/entry.ts";
import { encode, type Envelope } from "../rules/envelope.ts";
import type { ReadOptions } from "../rules/read.ts";
import type { TagIndexClient } from "../tags/isolate/client.ts";
import { MAX_TAG_LENGTH } from "../tags/rules/rpc.ts";
import { freshnessOf } from "./entry-freshness.ts";
import type { KvTier } from "./kv.ts";
import type { Memory } from "./memory.ts";

export type StorePorts = {
  memory: Memory;
  kv: KvTier;
  tags: TagIndexClient;
  counts: CacheCounts;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  /** Keeps work alive after its request has ended: `waitUntil`. */
  background: (work: Promise<unknown>) => void;
};

type Grace = Required<
  Pick<ReadOptions<unknown, unknown>, "negativeIn" | "staleWhileRevalidateMs" | "staleIfErrorMs">
>;

const KV_MIN_TTL_SECONDS = 60;

/**
 * Stores an entry that was loaded in memory, and in KV in the background. An entry that was purged
 * or expired during its load is not stored, nor is one that could not be purged.
 *
 * @returns whether a tier keeps it
 */
export function storeEntry(
  ports: StorePorts,
  entry: Entry,
  envelope: Envelope<unknown>,
  read: Grace,
): boolean {
  const freshness = freshnessOf(entry, ports.tags.view);
  if (entry.tags.some((tag) => tag.length > MAX_TAG_LENGTH)) return false;
  if (
    freshness === "purged" ||
    freshness === "unknown" ||
    freshForMs(entry, ports.clock.now()) <= 0
  )
    return false;
  const inMemory = ports.memory.set(entry);
  const shared = entry.value !== null || read.negativeIn === "everywhere";
  if (shared)
    ports.background(
      writeToKv(ports, entry, envelope, Math.max(read.staleWhileRevalidateMs, read.staleIfErrorMs)),
    );
  return inMemory || shared;
}

async function writeToKv(
  { counts, kv, tags }: StorePorts,
  entry: Entry,
  envelope: Envelope<unknown>,
  graceMs: number,
): Promise<void> {
  try {
    const encoded = encode(envelope);
    if (!encoded.ok) {
      counts.tooLarge += 1;
      log("warn", "cache.too_large", { bytes: encoded.error.bytes });
      return;
    }
    const keepMs = Math.min(entry.ttlMs + (entry.value === null ? 0 : graceMs), MAX_LIFE_MS);
    const ttlSeconds = Math.max(Math.ceil(keepMs / 1_000), KV_MIN_TTL_SECONDS);
    if (
      freshnessOf(entry, tags.view) === "purged" ||
      !(await kv.write(entry.key, encoded.value, ttlSeconds))
    )
      return;
    counts.writes += 1;
    tags.register({
      key: entry.key,
      tags: givenTags(entry),
      seq: entry.stamp.seq,
      expiresAt: envelope.createdAt + ttlSeconds * 1_000,
    });
  } catch (error) {
    log("error", "cache.share_failed", describeError(error));
  }
}
