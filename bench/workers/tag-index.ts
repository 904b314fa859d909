import { CacheTagIndex } from "../../shared/lib/cache/tags/object/object.ts";

const DAY_MS = 86_400_000;
/** How long KV takes to delete an entry. */
const KV_MS = 5;

/**
 * KV on another machine: that of the local runtime shares the thread of the object, and would count
 * as what the object does.
 */
const kvElsewhere = { delete: () => scheduler.wait(KV_MS) } as unknown as KVNamespace;

/** The tag index, with what a benchmark does to its storage. */
export class MeasuredTagIndex extends CacheTagIndex {
  constructor(ctx: DurableObjectState) {
    super(ctx, { CACHE: kvElsewhere });
  }

  /** Adds purged tags that wait for the alarm, with an entry in KV under each, or none. */
  async addWaiting(count: number, isStored: boolean): Promise<void> {
    if (count === 0) return;
    this.ctx.storage.sql.exec(
      `INSERT INTO reclaims (tag, seq, after)
       WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
       SELECT 'catalogue:item:' || i, 1, '' FROM n`,
      count,
    );
    if (!isStored) return;
    const { sql } = this.ctx.storage;
    sql.exec(
      `INSERT INTO entries (key, seq, expires_at, tags)
       SELECT 'entry:' || tag, 0, ?, json_array(tag) FROM reclaims`,
      Date.now() + DAY_MS,
    );
    sql.exec("INSERT INTO members (tag, key) SELECT tag, 'entry:' || tag FROM reclaims");
  }

  async waiting(): Promise<number> {
    return this.ctx.storage.sql.exec<{ n: number }>("SELECT count(*) AS n FROM reclaims").one().n;
  }

  /** Runs the alarm once. @returns milliseconds, and each time in which nothing else was done */
  async reclaim(): Promise<{ ms: number; blocks: number[] }> {
    const blocks: number[] = [];
    const state = { isOver: false };
    const beats = (async (): Promise<void> => {
      for (let last = performance.now(); !state.isOver;) {
        await scheduler.wait(0);
        const now = performance.now();
        blocks.push(now - last);
        last = now;
      }
    })();
    const started = performance.now();
    await this.alarm();
    const ms = performance.now() - started;
    state.isOver = true;
    await beats;
    return { ms, blocks };
  }
}

type Env = { CACHE_TAG_INDEX: DurableObjectNamespace<MeasuredTagIndex> };

const SYNCS = 300;

/** Syncs with the index, one after the other, while its alarm runs. */
export default {
  async fetch(request, env) {
    const { searchParams } = new URL(request.url);
    const waiting = Number(searchParams.get("waiting"));
    const isStored = searchParams.has("stored");
    const index = env.CACHE_TAG_INDEX.getByName(`waiting-${waiting}-${isStored}`);
    await index.sync({ since: null });
    await index.addWaiting(waiting, isStored);
    // The runtime first writes what was added to its disk.
    for (let n = 0; n < 20; n += 1) {
      await index.purge({ since: null, tags: ["warm-up"], mode: "soft" });
      await scheduler.wait(100);
    }
    const before = await index.waiting();
    const startedAt = performance.now();
    const reclaiming = index.reclaim();
    const syncs: number[] = [];
    for (let n = 0; n < SYNCS; n += 1) {
      const started = performance.now();
      await index.sync({ since: null, lookUp: ["catalogue:item:1"] });
      syncs.push(performance.now() - started);
      await scheduler.wait(10);
    }
    const { ms: runMs, blocks } = await reclaiming;
    const after = await index.waiting();
    // What one run does not end goes on in the next ones.
    const ms = after === 0 ? runMs : performance.now() - startedAt;
    return Response.json({ syncs, ms, blocks, before, after });
  },
} satisfies ExportedHandler<Env>;
