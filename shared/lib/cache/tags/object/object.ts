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

/** A view that lacks more purges than this gets a cold reply: `since` null and no purges. */
const MAX_PURGES_PER_REPLY = 5_000;
/**
 * Longer than any entry lives (`MAX_LIFE_MS` in `rules/entry.ts`), so older purges can be forgotten.
 */
const TAG_RETENTION_MS = 48 * 3_600_000;
const CLEAN_UP_MS = 3_600_000;
const SOON_MS = 100;
const RETRY = { baseMs: 5_000, maxMs: 300_000 };
/** One clean-up deletes at most so many rows. The next one follows at once. */
const LIMIT = 1_000;

/**
 * The tag index of the cache: sequences, the last purges of tags, and the keys that are stored under
 * tags. `sequence.ts` has the rules.
 *
 * Consistency: one object handles all purges one after another, and its replies hold only what is on
 * its disk. A purge writes only its tags. The alarm deletes the purged entries from KV afterwards,
 * and forgets what has expired.
 */
export class CacheTagIndex
  extends DurableObject<{ CACHE: KVNamespace }>
  implements CacheTagIndexRpc
{
  readonly #sql: SqlStorage;
  #meta: Meta;
  /** Successive alarms in which KV deleted nothing. */
  #failures = 0;
  /** Until this time, in milliseconds since the epoch, purges do not wake the alarm: KV is down. */
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
      if (!everything) savePurge(this.#sql, { tags, mode, seq: meta.seq, now: this.clock() });
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
    return ok(inspectTag(this.#sql, this.#meta, { tag, limit, after: after ?? "" }));
  }

  /**
   * Deletes purged entries from KV and cleans up, a limited amount at a time, until nothing is left.
   * The platform repeats an alarm that dies.
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

  /** @returns whether there is more to clean up */
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
