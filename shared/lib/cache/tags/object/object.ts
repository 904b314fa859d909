import { DurableObject } from "cloudflare:workers";
import { backoffMs } from "../../../base/backoff.ts";
import { ok, type Result } from "../../../base/result.ts";
import { log } from "../../../worker/log.ts";
import { validate, type Invalid } from "../../../worker/validate.ts";
import {
  inspectRequest,
  MAX_PENDING,
  purgeRequest,
  syncRequest,
  type CacheTagIndexRpc,
  type IndexReply,
  type InspectRequest,
  type PurgeReply,
  type PurgeRequest,
  type SyncRequest,
  type TagInspection,
} from "../rules/rpc.ts";
import { forgetTags, purgeAll, purgeTags, type Meta, type Stamp } from "../rules/sequence.ts";
import { EVERYTHING } from "../rules/view.ts";
import { reclaimSome } from "./reclaim.ts";
import {
  createTables,
  deleteExpired,
  deleteOldTags,
  inspectTag,
  isEmpty,
  keysUnder,
  loadMeta,
  nextReclaim,
  purgesOf,
  purgesSince,
  saveMeta,
  savePurge,
  saveReclaims,
  saveStored,
} from "./stored-tags.ts";

/** Who is further behind than this many tags is answered as if it knew nothing. */
const MAX_PURGES_PER_REPLY = 5_000;
/**
 * Longer than any entry lives: what was purged before that can be forgotten. See `MAX_LIFE_MS` in
 * `cache/entry.ts`.
 */
const TAG_RETENTION_MS = 48 * 3_600_000;
const CLEAN_UP_MS = 3_600_000;
const SOON_MS = 100;
const RETRY = { baseMs: 5_000, maxMs: 300_000 };
/** Rows that one clean-up drops at most; the next one follows at once. */
const LIMIT = 1_000;

/**
 * The tag index of the cache: sequences, which tags were purged when, and which keys are stored
 * under them. `sequence.ts` has the rules.
 *
 * Consistency: one object takes every purge in turn and answers what is on its disk. A purge writes
 * its tags and nothing else; the space of what it purged is reclaimed by the alarm afterwards, as
 * is everything that has expired.
 */
export class CacheTagIndex
  extends DurableObject<{ CACHE: KVNamespace }>
  implements CacheTagIndexRpc
{
  readonly #sql: SqlStorage;
  #meta: Meta;
  /** Runs in a row in which KV did not delete. */
  #failures = 0;
  /** While KV is down, purges do not wake the alarm. */
  #restUntil = 0;
  /** Replaced by tests. */
  clock: () => number = Date.now;

  constructor(ctx: DurableObjectState, env: { CACHE: KVNamespace }) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    createTables(this.#sql);
    this.#meta = loadMeta(this.#sql, crypto.randomUUID());
  }

  async sync(request: SyncRequest): Promise<Result<IndexReply, Invalid>> {
    const checked = validate(syncRequest, request);
    if (!checked.ok) return checked;
    const { since, lookUp, stored } = checked.value;
    if (stored.length > 0) {
      this.ctx.storage.transactionSync(() => saveStored(this.#sql, stored));
      await this.#wakeWithin(CLEAN_UP_MS);
    }
    return ok(this.#reply(since, lookUp));
  }

  async purge(request: PurgeRequest): Promise<Result<PurgeReply, Invalid>> {
    const checked = validate(purgeRequest, request);
    if (!checked.ok) return checked;
    const { since, tags, mode } = checked.value;
    const everything = tags === "everything";
    const names = everything ? [EVERYTHING] : tags;
    const meta = everything ? purgeAll(this.#meta, mode) : purgeTags(this.#meta);
    this.ctx.storage.transactionSync(() => {
      saveMeta(this.#sql, meta);
      if (!everything) savePurge(this.#sql, tags, mode, meta.seq, this.clock());
      if (mode === "hard") saveReclaims(this.#sql, names, meta.seq);
    });
    this.#meta = meta;
    await this.#wakeWithin(mode === "hard" ? SOON_MS : CLEAN_UP_MS);
    return ok({ ...this.#reply(since, []), pending: mode === "hard" ? this.#pending(names) : 0 });
  }

  async inspect(request: InspectRequest): Promise<Result<TagInspection, Invalid>> {
    const checked = validate(inspectRequest, request);
    if (!checked.ok) return checked;
    const { tag, limit, after } = checked.value;
    return ok(inspectTag(this.#sql, tag, limit, after ?? "", this.#meta));
  }

  /**
   * Reclaims and cleans up, a little at a time, until nothing is left; an alarm that dies half-way
   * is run again by the platform.
   */
  override async alarm(): Promise<void> {
    const more = this.#cleanUp();
    const reclaimed = await reclaimSome(this.#sql, this.env.CACHE, this.clock());
    const left = nextReclaim(this.#sql) !== null;
    if (reclaimed.failures > 0) log("warn", "cache_tags.reclaim_failed", reclaimed);
    this.#failures = reclaimed.down ? this.#failures + 1 : 0;
    this.#restUntil = reclaimed.down
      ? this.clock() + backoffMs(RETRY, this.#failures, Math.random())
      : 0;
    if (more || left) await this.#wakeWithin(SOON_MS);
    else if (!isEmpty(this.#sql)) await this.#wakeWithin(CLEAN_UP_MS);
  }

  /** @returns whether there is more */
  #cleanUp(): boolean {
    return this.ctx.storage.transactionSync(() => {
      const expired = deleteExpired(this.#sql, this.clock(), LIMIT);
      const forgotten = deleteOldTags(this.#sql, this.clock() - TAG_RETENTION_MS, LIMIT);
      if (forgotten > 0) {
        const meta = forgetTags(this.#meta, forgotten);
        saveMeta(this.#sql, meta);
        this.#meta = meta;
      }
      return expired === LIMIT || forgotten > 0;
    });
  }

  #reply(since: Stamp | null, lookUp: readonly string[]): IndexReply {
    const known =
      since?.generation === this.#meta.generation && since.seq <= this.#meta.seq ? since.seq : null;
    const purges = known === null ? null : purgesSince(this.#sql, known, MAX_PURGES_PER_REPLY);
    const lookedUp = purgesOf(this.#sql, lookUp);
    return purges === null
      ? { meta: this.#meta, since: null, purges: [], lookedUp }
      : { meta: this.#meta, since: known, purges, lookedUp };
  }

  #pending(tags: readonly string[]): number {
    let pending = 0;
    for (const tag of tags) {
      if (pending >= MAX_PENDING) break;
      pending += keysUnder(this.#sql, tag, "", MAX_PENDING - pending).length;
    }
    return pending;
  }

  async #wakeWithin(ms: number): Promise<void> {
    const at = Math.max(this.clock() + ms, this.#restUntil);
    const planned = await this.ctx.storage.getAlarm();
    if (planned === null || planned > at) await this.ctx.storage.setAlarm(at);
  }
}
