import type * as v from "valibot";
import { describeError, log } from "../../worker/log.ts";
import { entryFrom, freshForMs, jitteredTtlMs } from "../rules/entry.ts";
import type { Keep } from "../rules/read.ts";
import { isTag } from "../tags/rules/names.ts";
import type { Stamp } from "../tags/rules/sequence.ts";
import { freshnessOf } from "./entry-freshness.ts";
import { normalized } from "./normalized.ts";
import type { StorePorts } from "./store-entry.ts";

type Kept = { key: string; value: unknown; schema: v.GenericSchema; tags: readonly string[] };
type LoadedAt = { createdAt: number; ttlMs: number; stamp: Stamp };

/** What a load found for other keys. */
export class KeptValues {
  readonly #kept: Kept[] = [];

  /** For the loader. It only takes note: the load may still fail. */
  readonly keep: Keep = (key, value, { schema, tags }) => {
    this.#kept.push({ key, value, schema, tags });
  };

  /**
   * Stores them in memory, with the stamp and the times of the load that found them. Never throws:
   * a defect of one costs neither the others nor the load.
   *
   * @param own the key of the load, which has its value already
   */
  store(ports: StorePorts, own: string, load: LoadedAt): void {
    if (load.ttlMs <= 0) return;
    for (const kept of this.#kept) {
      if (kept.key === own) continue;
      try {
        storeInMemory(ports, kept, load);
      } catch (error) {
        log("error", "cache.keep_failed", describeError(error));
      }
    }
  }
}

function storeInMemory(
  { memory, tags: index, clock, random, countsOf }: StorePorts,
  { key, value, schema, tags }: Kept,
  { createdAt, ttlMs, stamp }: LoadedAt,
): void {
  if (value === null || !isTag(key) || !tags.every(isTag)) return;
  const held = memory.get(key);
  if (held !== undefined && held.createdAt >= createdAt) return;
  const loaded = normalized(value, schema, countsOf(key));
  if (!loaded.ok || loaded.value.text === null) return;
  const entry = entryFrom(
    {
      v: 1,
      key,
      createdAt,
      ttlMs: jitteredTtlMs(ttlMs, random()),
      tags: [...tags],
      ...stamp,
      value: loaded.value.value,
    },
    loaded.value.text.length,
    schema,
    random(),
  );
  const freshness = freshnessOf(entry, index.view);
  if (freshness === "purged" || freshness === "unknown") return;
  if (freshForMs(entry, clock.now()) > 0) memory.set(entry);
}
