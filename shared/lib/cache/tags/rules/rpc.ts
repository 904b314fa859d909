import * as v from "valibot";
import type { Result } from "../../../base/result.ts";
import type { Invalid } from "../../../worker/validate.ts";
import { EVERYTHING, type SyncReply } from "./view.ts";

/**
 * The RPC surface of the Durable Object `CacheTagIndex`, one per cache:
 * `env.CACHE_TAG_INDEX.getByName(INDEX_NAME)`. Isolates use `sync` and `purge`. `purge` and
 * `inspect` are also for operators and for any Worker that binds the namespace:
 *
 *     const index = env.CACHE_TAG_INDEX.getByName(INDEX_NAME);
 *     await index.purge({ tags: ["user:42"], mode: "hard", since: null });
 *
 * A request with a bad field changes nothing and returns `invalid` with the field's name.
 */
export interface CacheTagIndexRpc {
  /**
   * Returns the purges since a sequence, and those of the tags in `lookUp`. Registers the entries in
   * `stored`.
   */
  sync(request: SyncRequest): Promise<Result<IndexReply, Invalid>>;
  /** Purges. It writes one row per tag, however many entries are stored under the tags. */
  purge(request: PurgeRequest): Promise<Result<PurgeReply, Invalid>>;
  /**
   * A tag, or `*` for everything, with the keys that are stored under it, in order. The page begins
   * after the key `after`.
   */
  inspect(request: InspectRequest): Promise<Result<TagInspection, Invalid>>;
}

/** The name of the index. A cache has one. */
export const INDEX_NAME = "cache";

export const MAX_TAGS_PER_PURGE = 1_000;
export const MAX_TAGS_PER_SYNC = 1_000;
export const MAX_STORED_PER_SYNC = 500;
export const MAX_TAG_LENGTH = 1_024;

const whole = v.pipe(
  v.number("must be a number"),
  v.integer("must be a whole number"),
  v.minValue(0, "must be at least 0"),
);
const name = v.pipe(
  v.string("must be text"),
  v.minLength(1, "is empty"),
  v.maxLength(MAX_TAG_LENGTH, "is too long"),
);
export const tag = v.pipe(
  name,
  v.check(
    (text) => text !== EVERYTHING,
    "is not a tag: for everything, say so ({ all: true } over HTTP)",
  ),
);
const tags = (max: number) =>
  v.pipe(v.array(tag, "must be a list"), v.maxLength(max, `must have at most ${max} entries`));
/**
 * The stamp of the caller's view. One of another generation is treated like null.
 */
const since = v.nullable(
  v.strictObject({
    generation: v.pipe(v.string("must be text"), v.maxLength(64, "is too long")),
    seq: whole,
  }),
);
export const purgeMode = v.picklist(["hard", "soft"], 'must be "hard" or "soft"');

/**
 * `stored`: entries that were written to KV. Their `tags` are without those that follow from the
 * key. `expiresAt` in milliseconds since the epoch.
 */
export const syncRequest = v.strictObject({
  since,
  lookUp: v.optional(tags(MAX_TAGS_PER_SYNC), []),
  stored: v.optional(
    v.pipe(
      v.array(
        v.strictObject({ key: tag, tags: tags(MAX_TAGS_PER_SYNC), seq: whole, expiresAt: whole }),
      ),
      v.maxLength(MAX_STORED_PER_SYNC, `must have at most ${MAX_STORED_PER_SYNC} entries`),
    ),
    [],
  ),
});
export type SyncRequest = v.InferInput<typeof syncRequest>;
export type Stored = v.InferOutput<typeof syncRequest>["stored"][number];

/** `lookedUp`: all tags of `lookUp`, also those that were never purged. */
export type IndexReply = SyncReply & { lookedUp: SyncReply["purges"] };

export const purgeRequest = v.strictObject({
  since,
  mode: purgeMode,
  /** Tags, keys and patterns, or everything. */
  tags: v.union(
    [
      v.literal("everything"),
      v.pipe(tags(MAX_TAGS_PER_PURGE), v.minLength(1, "must name at least one")),
    ],
    "must be a list",
  ),
});
export type PurgeRequest = v.InferInput<typeof purgeRequest>;
/** Tags, keys and patterns, or everything. */
export type PurgeTags = readonly string[] | "everything";

/**
 * `pending`: how many entries under these tags are still to be deleted from KV, counted up to
 * `MAX_PENDING`. None of them is served.
 */
export type PurgeReply = IndexReply & { pending: number };
export const MAX_PENDING = 100;

export const inspectRequest = v.strictObject({
  tag: name,
  limit: v.optional(
    v.pipe(whole, v.minValue(1, "must be at least 1"), v.maxValue(1_000, "must be at most 1000")),
    100,
  ),
  after: v.optional(tag),
});
export type InspectRequest = v.InferInput<typeof inspectRequest>;

/**
 * `hardSeq`, `softSeq`: the sequences at which the tag, or everything, was purged last; 0: never.
 * `purgedAt`: when the tag itself was purged, in milliseconds since the epoch; forgotten after two
 * days. `purged` of a member: it is still to be deleted from KV.
 */
export type TagInspection = {
  tag: string;
  seq: number;
  hardSeq: number;
  softSeq: number;
  purgedAt: number | null;
  members: { key: string; seq: number; expiresAt: number; purged: boolean }[];
};
