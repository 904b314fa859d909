import * as v from "valibot";
import type { Result } from "../../../base/result.ts";
import { MAX_BOUND, sizeOf, type Size } from "../../../base/sizes.ts";
import { checkedApart, type Invalid } from "../../../worker/validate.ts";
import { name, tag } from "./names.ts";
import type { Stamp } from "./sequence.ts";
import type { TagSyncReply } from "./view.ts";

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
   * Returns the purges since a sequence, and those of the tags in `lookUp`. Registers the entries
   * in `stored`. A tag or an entry that the index cannot hold is left out, and the rest counts: an
   * isolate syncs for all its readers, and one bad entry must not cost the others their cache.
   */
  sync(request: TagSyncRequest): Promise<Result<IndexReply, Invalid>>;
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
/** What one purge takes: so many names, and so many bytes of them as JSON. */
export const MAX_PURGE: Size = { ...MAX_BOUND, count: MAX_TAGS_PER_PURGE };
export const MAX_TAGS_PER_SYNC = 1_000;
export const MAX_STORED_PER_SYNC = 500;

const whole = v.pipe(
  v.number("must be a number"),
  v.integer("must be a whole number"),
  v.minValue(0, "must be at least 0"),
);
const tags = (max: number) =>
  v.pipe(v.array(tag, "must be a list"), v.maxLength(max, `must have at most ${max} entries`));
/**
 * The stamp of the caller's view. One of another generation is treated like null.
 */
const since = v.nullable(
  v.object({
    generation: v.pipe(v.string("must be text"), v.maxLength(64, "is too long")),
    seq: whole,
  }),
);
export const purgeMode = v.picklist(["hard", "soft"], 'must be "hard" or "soft"');

/** A bad item is left out. It must not cost those beside it. */
const leniently = <Item extends v.GenericSchema>(item: Item, max: number) =>
  v.pipe(
    v.array(v.unknown(), "must be a list"),
    v.maxLength(max, `must have at most ${max} entries`),
    v.transform((list) =>
      list.flatMap((given): v.InferOutput<Item>[] => {
        const parsed = v.safeParse(item, given);
        return parsed.success ? [parsed.output] : [];
      }),
    ),
  );

/** The names by which an entry can be purged. */
export const carriedNames = v.object({ key: tag, tags: tags(MAX_TAGS_PER_SYNC) });

const stored = v.pipe(
  v.object({ ...carriedNames.entries, seq: whole, expiresAt: whole }),
  v.check((entry) => sizeOf([entry]).bytes <= MAX_BOUND.bytes, "is too large"),
);
/**
 * An entry that was written to KV. Its `tags` are without those that follow from the key.
 * `expiresAt` in milliseconds since the epoch.
 */
export type Stored = v.InferOutput<typeof stored>;

export const tagSyncRequest = v.object({
  since,
  lookUp: checkedApart(v.optional(leniently(tag, MAX_TAGS_PER_SYNC), [])),
  stored: checkedApart(v.optional(leniently(stored, MAX_STORED_PER_SYNC), [])),
});
export type TagSyncRequest = {
  since: Stamp | null;
  lookUp?: string[] | undefined;
  stored?: Stored[] | undefined;
};

/** `lookedUp`: all tags of `lookUp`, also those that were never purged. */
export type IndexReply = TagSyncReply & { lookedUp: TagSyncReply["purges"] };

/** Tags, keys and patterns, or everything. */
export const purgedNames = v.object({
  tags: v.union(
    [
      v.literal("everything"),
      v.pipe(
        tags(MAX_TAGS_PER_PURGE),
        v.minLength(1, "must name at least one"),
        v.check(
          (names) => sizeOf(names).bytes <= MAX_PURGE.bytes,
          `must have at most ${MAX_PURGE.bytes} bytes as JSON`,
        ),
      ),
    ],
    "must be a list",
  ),
});

export const purgeRequest = v.object({ since, mode: purgeMode, ...purgedNames.entries });
export type PurgeRequest = v.InferInput<typeof purgeRequest>;
/** Tags, keys and patterns, or everything. */
export type PurgeTags = readonly string[] | "everything";

/**
 * `pending`: how many entries under these tags are still to be deleted from KV, counted up to
 * `MAX_PENDING`. None of them is served.
 */
export type PurgeReply = IndexReply & { pending: number };
export const MAX_PENDING = 100;

export const inspectRequest = v.object({
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
 * days. `purged` of a member: it is still to be deleted from KV. `sizeBytes`: the storage of the
 * whole object; an object of an earlier release does not report it.
 */
export type TagInspection = {
  tag: string;
  seq: number;
  hardSeq: number;
  softSeq: number;
  purgedAt: number | null;
  members: { key: string; seq: number; expiresAt: number; purged: boolean }[];
  sizeBytes?: number;
};
