import { DurableObject } from "cloudflare:workers";
import { backoffMs } from "../../../base/backoff.ts";
import { ok, type Result } from "../../../base/result.ts";
import { describeError, log } from "../../../worker/log.ts";
import { validate, type Invalid } from "../../../worker/validate.ts";
import {
  inspectRequest,
  MAX_PENDING,
  purgeRequest,
  tagSyncRequest,
  type CacheTagIndexRpc,
  type IndexReply,
  type InspectRequest,
  type PurgeReply,
  type PurgeRequest,
  type TagSyncRequest,
  type TagInspection,
} from "../rules/rpc.ts";
import { forgetTags, purgeAll, purgeTags, type Meta, type Stamp } from "../rules/sequence.ts";
import { EVERYTHING } from "../rules/view.ts";
import { cleanUpStep } from "./clean-up.ts";
import { reclaimSome, START } from "./reclaim.ts";
import { countUnder, readTagInspection, saveStored } from "./stored-entries.ts";
import { hasReclaims, saveReclaims } from "./stored-reclaims.ts";
import {
  createTagTables,
  isEmpty,
  loadMeta,
  purgesOf,
  purgesSince,
  saveMeta,
  savePurge,
} from "./stored-tags.ts";

/** A view that lacks more purges than this gets a cold reply: `since` null and no purges. */
const MAX_PURGES_PER_REPLY = 5_000;
const CLEAN_UP_MS = 3_600_000;
const SOON_MS = 100;
const RETRY = { baseMs: 5_000, maxMs: 300_000 };
const CLEAN_UP_RUN_MS = 30_000;
/**
 * Cloudflare gives an object 10 GB. Above this size it forgets early, so that it is never full: a
 * full one refuses every purge. docs/reference/storage.md has the arithmetic.
 */
const MAX_BYTES = 8_000_000_000;

/**
 * The tag index of the cache: sequences, the last purges of tags, and the keys that are stored
 * under tags. `sequence.ts` has the rules.
 *
 * Consistency: one object handles all purges one after another, and its replies hold only what is
 * on its disk. A purge writes only its tags. The alarm deletes the purged entries from KV
 * afterwards, and forgets what has expired.
 */
export class CacheTagIndex
  extends DurableObject<{ CACHE: KVNamespace }>
  implements CacheTagIndexRpc
{
  readonly #sql: SqlStorage;
  #meta: Meta;
  /** Successive alarms in which nothing was reclaimed though something waits. */
  #failures = 0;
  /** Until this time, in milliseconds since the epoch, nothing is reclaimed: KV is down. */
  #restUntil = 0;
  /** After which purged tag the next reclaiming begins. */
  #reclaimAfter = START;
  /** Replaced by tests. */
  maxBytes = MAX_BYTES;
  /** Replaced by tests. */
  clock: () => number = Date.now;

  constructor(ctx: DurableObjectState, env: { CACHE: KVNamespace }) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    createTagTables(this.#sql);
    this.#meta = loadMeta(this.#sql, crypto.randomUUID());
    // The platform gives up an alarm that has failed often.
    void ctx.blockConcurrencyWhile(async () => {
      if (hasReclaims(this.#sql)) await this.#wakeWithin(SOON_MS);
      else if (!isEmpty(this.#sql)) await this.#wakeWithin(CLEAN_UP_MS);
    });
  }

  async sync(request: TagSyncRequest): Promise<Result<IndexReply, Invalid>> {
    const checked = validate(tagSyncRequest, request);
    if (!checked.ok) return checked;
    const { since, lookUp, stored } = checked.value;
    const leftOut =
      (request.lookUp?.length ?? 0) - lookUp.length + (request.stored?.length ?? 0) - stored.length;
    if (leftOut > 0) log("warn", "cache_tags.left_out", { items: leftOut });
    if (stored.length > 0) {
      this.ctx.storage.transactionSync(() => saveStored(this.#sql, stored));
      await this.#wakeForCleanUp();
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
    if (mode === "hard") await this.#wakeAt(this.#mayReclaimAt());
    else await this.#wakeForCleanUp();
    return ok({
      ...this.#reply(since, []),
      pending: mode === "hard" ? countUnder(this.#sql, names, MAX_PENDING) : 0,
    });
  }

  async inspect(request: InspectRequest): Promise<Result<TagInspection, Invalid>> {
    const checked = validate(inspectRequest, request);
    if (!checked.ok) return checked;
    const { tag, limit, after } = checked.value;
    const inspection = readTagInspection(this.#sql, this.#meta, { tag, limit, after: after ?? "" });
    return ok({ ...inspection, sizeBytes: this.#sql.databaseSize });
  }

  /**
   * Cleans up until nothing is left, and deletes purged entries from KV, a limited amount at a
   * time. Neither waits for the other. It throws only if it cannot set the next alarm; the platform
   * then repeats it.
   */
  override async alarm(): Promise<void> {
    const [cleanedUp, reclaimed] = await Promise.allSettled([this.#cleanUp(), this.#reclaim()]);
    for (const outcome of [cleanedUp, reclaimed])
      if (outcome.status === "rejected")
        log("error", "cache_tags.alarm_failed", describeError(outcome.reason));
    this.#restAfter(reclaimed.status === "fulfilled" ? reclaimed.value : "stuck");
    if (cleanedUp.status === "fulfilled" && cleanedUp.value === "more")
      await this.#wakeWithin(SOON_MS);
    else if (!isEmpty(this.#sql)) await this.#wakeWithin(CLEAN_UP_MS);
    if (hasReclaims(this.#sql)) await this.#wakeAt(this.#mayReclaimAt());
  }

  #restAfter(run: "moved" | "stuck" | "resting"): void {
    if (run === "moved") this.#failures = 0;
    if (run !== "stuck") return;
    this.#failures += 1;
    this.#restUntil = this.clock() + backoffMs(RETRY, this.#failures, Math.random());
  }

  async #cleanUp(): Promise<"done" | "more"> {
    const until = this.clock() + CLEAN_UP_RUN_MS;
    while (this.clock() < until) {
      const { deleted, forgotten } = this.ctx.storage.transactionSync(() => {
        const step = cleanUpStep(this.#sql, this.clock(), this.maxBytes);
        if (step.forgotten > 0) saveMeta(this.#sql, forgetTags(this.#meta, step.forgotten));
        return step;
      });
      this.#meta = forgetTags(this.#meta, forgotten);
      if (deleted === 0 && forgotten === 0) return "done";
      await scheduler.wait(0);
    }
    return "more";
  }

  async #reclaim(): Promise<"moved" | "stuck" | "resting"> {
    if (this.clock() < this.#restUntil) return "resting";
    const { next, ...reclaimed } = await reclaimSome(
      this.#sql,
      this.env.CACHE,
      () => this.clock(),
      this.#reclaimAfter,
    );
    this.#reclaimAfter = next;
    if (reclaimed.failures > 0) log("warn", "cache_tags.reclaim_failed", reclaimed);
    return reclaimed.down || (reclaimed.moved === 0 && hasReclaims(this.#sql)) ? "stuck" : "moved";
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

  #mayReclaimAt(): number {
    return Math.max(this.clock() + SOON_MS, this.#restUntil);
  }

  async #wakeForCleanUp(): Promise<void> {
    await this.#wakeWithin(this.#sql.databaseSize > this.maxBytes ? SOON_MS : CLEAN_UP_MS);
  }

  async #wakeWithin(ms: number): Promise<void> {
    await this.#wakeAt(this.clock() + ms);
  }

  async #wakeAt(at: number): Promise<void> {
    const planned = await this.ctx.storage.getAlarm();
    if (planned === null || planned > at) await this.ctx.storage.setAlarm(at);
  }
}
