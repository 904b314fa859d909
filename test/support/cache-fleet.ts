import type { KvRead, KvTier } from "../../shared/lib/cache/isolate/kv.ts";
import { Memory } from "../../shared/lib/cache/isolate/memory.ts";
import { Cache } from "../../shared/lib/cache/isolate/read-through.ts";
import { noCounts, type CacheCounts } from "../../shared/lib/cache/rules/counts.ts";
import { TagIndexClient, type TagClientPorts } from "../../shared/lib/cache/tags/isolate/client.ts";
import { TagView } from "../../shared/lib/cache/tags/rules/view.ts";
import { SimulatedIndex } from "./simulated-index.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export type Condition = "up" | "throws" | "hangs" | "loses-replies";

/** What is between an isolate and everything else. A test may decide what arrives when. */
export type Hop = (label: string) => Promise<void>;

/** The index, KV and D1 that isolates share. D1 is a version per key. */
export class SimulatedBackends {
  readonly clock: VirtualClock;
  readonly index = new SimulatedIndex();
  readonly condition: Record<"index" | "kv" | "database", Condition> = {
    index: "up",
    kv: "up",
    database: "up",
  };
  readonly versions = new Map<string, number>();
  /** Every write to a key of KV: a reader elsewhere may see an old one for a minute. */
  readonly kvWrites = new Map<string, { at: number; text: string | null }[]>();
  kvBehindMs = 0;
  indexRequests = 0;
  kvReads = 0;
  loads = 0;
  hop: Hop = async () => undefined;

  constructor(clock: VirtualClock) {
    this.clock = clock;
  }

  async reach<Reply>(
    what: keyof SimulatedBackends["condition"],
    answer: () => Reply,
  ): Promise<Reply> {
    await this.hop(`to ${what}`);
    const condition = this.condition[what];
    if (condition === "throws") throw new Error(`${what} is down`);
    if (condition === "hangs") return await new Promise(() => undefined);
    const reply = answer();
    if (condition === "loses-replies") throw new Error("the reply was lost");
    await this.hop(`from ${what}`);
    return reply;
  }

  async loadVersion(key: string): Promise<number> {
    this.loads += 1;
    return await this.reach("database", () => this.versions.get(key) ?? 1);
  }

  /** Of several keys, as they are at one moment. */
  async loadVersions<Key extends string>(keys: readonly Key[]): Promise<Map<Key, number>> {
    this.loads += 1;
    return await this.reach(
      "database",
      () => new Map(keys.map((key) => [key, this.versions.get(key) ?? 1])),
    );
  }

  kvText(key: string): string | null {
    const seenAt = this.clock.now() - this.kvBehindMs;
    return this.kvWrites.get(key)?.findLast(({ at }) => at <= seenAt)?.text ?? null;
  }

  putKv(key: string, text: string | null): void {
    const writes = this.kvWrites.get(key) ?? [];
    writes.push({ at: this.clock.now(), text });
    this.kvWrites.set(key, writes);
  }
}

export type SimulatedIsolate = {
  cache: Cache;
  tags: TagIndexClient;
  memory: Memory;
  counts: CacheCounts;
};

/** Work that was left to `waitUntil` and rejected there: nothing ever should. */
export const rejections: unknown[] = [];

export type IsolateOptions = {
  random?: () => number;
  boundMs?: number;
  maxTags?: number;
  timeoutMs?: number;
  ttlMs?: number;
  /** Instead of the simulated KV. */
  kv?: KvTier;
};

export function newIsolate(
  backends: SimulatedBackends,
  options: IsolateOptions = {},
): SimulatedIsolate {
  const { clock } = backends;
  const counts = noCounts();
  const random = options.random ?? (() => 0.5);
  const background = (work: Promise<unknown>): void =>
    void work.catch((error: unknown) => rejections.push(error));
  const object: TagClientPorts["object"] = {
    sync: async (request) => {
      backends.indexRequests += 1;
      return await backends.reach("index", () => backends.index.answerSync(request));
    },
    purge: async (request) => {
      backends.indexRequests += 1;
      return await backends.reach("index", () => backends.index.answerPurge(request));
    },
  };
  const kv: KvTier = {
    async read(key): Promise<KvRead> {
      backends.kvReads += 1;
      if (backends.condition.kv === "hangs") {
        await clock.sleep(1_000);
        return { kind: "failed", detail: "kv-slow" };
      }
      try {
        const text = await backends.reach("kv", () => backends.kvText(key));
        return text === null ? { kind: "missing" } : { kind: "found", text };
      } catch {
        return { kind: "failed", detail: "kv-error" };
      }
    },
    async write(key, bytes) {
      return await backends
        .reach("kv", () => backends.putKv(key, new TextDecoder().decode(bytes)))
        .then(
          () => true,
          () => false,
        );
    },
    async delete(key) {
      return await backends
        .reach("kv", () => backends.putKv(key, null))
        .then(
          () => true,
          () => false,
        );
    },
  };
  const boundMs = options.boundMs ?? 2_000;
  const tags = new TagIndexClient(
    { object, clock, random, background, boundMs, notify: () => undefined },
    new TagView(options.maxTags),
  );
  const memory = new Memory();
  const settings = { ttlMs: options.ttlMs ?? 300_000, timeoutMs: options.timeoutMs ?? 5_000 };
  const cache = new Cache({
    memory,
    kv: options.kv ?? kv,
    tags,
    countsOf: () => counts,
    clock,
    random,
    background,
    settings,
  });
  return { cache, tags, memory, counts };
}
