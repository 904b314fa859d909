import type { Clock } from "../../base/clock.ts";
import { within } from "../../base/deadline.ts";
import type { Guard } from "../../circuit-breaker/index.ts";
import { describeError, log } from "../../worker/log.ts";
import type { KvDetail } from "../rules/cache-status.ts";
import type { CacheCounts } from "../rules/counts.ts";
import { isRateLimit } from "../rules/faults.ts";
import { storageKey } from "../rules/keys.ts";

export type KvRead =
  | { kind: "found"; text: string }
  | { kind: "missing" }
  | { kind: "failed"; detail: Exclude<KvDetail, "kv-corrupt" | "kv-foreign"> };

/**
 * The tier that the fleet shares. Nothing here throws. A failure of KV is counted, and is a miss.
 */
export interface KvTier {
  read(name: string): Promise<KvRead>;
  /** @returns whether it was written */
  write(name: string, bytes: Uint8Array, ttlSeconds: number): Promise<boolean>;
  /** @returns whether KV deleted it */
  delete(key: string): Promise<boolean>;
}

export type KvPorts = {
  kv: KVNamespace;
  guard: Guard;
  countsOf: (name: string) => CacheCounts;
  clock: Clock;
  background: (work: Promise<unknown>) => void;
};

/**
 * A read waits no longer for KV and asks the origin instead. KV still has its whole timeout before
 * that counts as its failure.
 */
const SLOW_MS = 1_000;

export function kvTier({ kv, guard, countsOf, clock, background }: KvPorts): KvTier {
  /**
   * @returns `open` if the breaker rejected the call, `error` if KV failed; both are logged or
   * counted
   */
  async function guarded<Value>(
    { verb, key }: { verb: string; key: string },
    call: () => Promise<Value>,
  ): Promise<{ value: Value } | "open" | "error"> {
    const answer = await guard(call);
    if (answer.ok) return { value: answer.value };
    if (answer.error.tag === "circuit-open") return "open";
    const { error } = answer.error;
    if (isRateLimit(error)) countsOf(key).kvRateLimited += 1;
    else countsOf(key).kvErrors += 1;
    log("warn", "cache.kv_failed", { verb, ...describeError(error) });
    return "error";
  }

  async function find(key: string): Promise<KvRead> {
    const name = await storageKey(key);
    const answer = await guarded({ verb: "get", key }, async () => await kv.get(name, "text"));
    if (answer === "open") return { kind: "failed", detail: "kv-open" };
    if (answer === "error") return { kind: "failed", detail: "kv-error" };
    return answer.value === null ? { kind: "missing" } : { kind: "found", text: answer.value };
  }

  return {
    async read(key) {
      const finding = find(key);
      try {
        return await within(SLOW_MS, finding, clock);
      } catch {
        background(finding);
        return { kind: "failed", detail: "kv-slow" };
      }
    },
    async write(key, bytes, ttlSeconds) {
      const name = await storageKey(key);
      const answer = await guarded(
        { verb: "put", key },
        async () => await kv.put(name, bytes, { expirationTtl: ttlSeconds }),
      );
      return typeof answer === "object";
    },
    async delete(key) {
      const name = await storageKey(key);
      return (
        typeof (await guarded({ verb: "delete", key }, async () => await kv.delete(name))) ===
        "object"
      );
    },
  };
}
