import * as v from "valibot";
import { systemClock } from "../shared/lib/base/clock.ts";
import { Memory } from "../shared/lib/cache/isolate/memory.ts";
import { Cache } from "../shared/lib/cache/isolate/read-through.ts";
import { CountsByFamily } from "../shared/lib/cache/rules/counts.ts";
import { TagIndexClient } from "../shared/lib/cache/tags/isolate/client.ts";

/** What the sections about the cache share. */

export const DAY_MS = 86_400_000;
export const value = {
  userId: "ada",
  email: "ada@example.com",
  tier: "pro",
  scopes: ["emails:send"],
};
export const schema = v.object({
  userId: v.string(),
  email: v.string(),
  tier: v.string(),
  scopes: v.array(v.string()),
});

/**
 * Luna's, empty, without KV, and with a view that is fresh for the whole run, as between two syncs.
 */
export async function lunaCache(): Promise<Cache> {
  const reply = {
    meta: { generation: "g", seq: 1, floor: 0, softFloor: 0 },
    since: null,
    purges: [],
    lookedUp: [],
  };
  const ports = { clock: systemClock, random: Math.random, background: (): void => undefined };
  const object = { sync: async () => reply, purge: async () => ({ ...reply, pending: 0 }) };
  const index = new TagIndexClient({ ...ports, object, boundMs: DAY_MS, notify: () => undefined });
  const kv = {
    read: async () => ({ kind: "missing" as const }),
    write: async () => true,
    delete: async () => true,
  };
  const counts = new CountsByFamily();
  return new Cache({
    ...ports,
    tags: index,
    kv,
    memory: new Memory(),
    countsOf: (key) => counts.of(key),
    settings: { ttlMs: DAY_MS, timeoutMs: 5_000 },
  });
}
