import * as v from "valibot";
import { userId } from "../accounts/rules/schemas.ts";
import { pageOf, shortList } from "../http/lists.ts";
import { time } from "../http/time.ts";
import type { CacheCounts } from "../lib/cache/rules/index.ts";
import {
  noCounts,
  inspectRequest,
  isPattern,
  MAX_TAGS_PER_PURGE,
  purgeMode,
  tag as cacheTag,
} from "../lib/cache/rules/index.ts";
import { describedAs } from "./described.ts";
import { count, operation } from "./operation.ts";

const tag = "operations";

/** What to purge: exactly one of these. */
const selectors = {
  keys: v.optional(shortList(cacheTag, MAX_TAGS_PER_PURGE)),
  tags: v.optional(shortList(cacheTag, MAX_TAGS_PER_PURGE)),
  pattern: v.optional(
    v.pipe(cacheTag, v.check(isPattern, 'must be a prefix that ends in ":*", such as "user:42:*"')),
  ),
  userId: v.optional(userId),
  all: v.optional(v.literal(true, "must be true")),
};

const mode = v.optional(purgeMode, "hard");

const purged = v.strictObject({
  invalidated: count,
  failed: count,
  keys: v.array(v.string()),
  failures: v.array(v.strictObject({ key: v.string(), error: v.string() })),
  pending: v.nullable(count),
  seq: v.nullable(count),
});

export const invalidate = operation({
  id: "invalidate",
  method: "POST",
  path: "/api/admin/cache/invalidate",
  access: "admin",
  tag,
  summary:
    "Purge by keys, tags, pattern or user, or purge everything. " +
    "202: the tag index does not answer; the purge is delivered when it does.",
  body: describedAs(
    v.pipe(
      v.strictObject({ ...selectors, mode }),
      v.check(
        (wanted) => Object.keys(selectors).filter((name) => name in wanted).length === 1,
        "must name exactly one of keys, tags, pattern, userId, all",
      ),
    ),
    v.union(
      Object.entries(selectors).map(([name, { wrapped }]) =>
        v.strictObject({ [name]: wrapped, mode }),
      ),
    ),
  ),
  answers: { 200: purged, 202: purged },
  problems: ["unavailable", "outcome-unknown"],
});

export const inspectTag = operation({
  id: "inspectTag",
  method: "GET",
  path: "/api/admin/cache/tags/:tag",
  access: "viewer",
  tag,
  summary: "A tag, key or pattern with the entries under it, ordered by key.",
  params: { tag: { schema: inspectRequest.entries.tag, encoded: true } },
  query: v.strictObject({ limit: pageOf.entries.limit, cursor: v.optional(cacheTag) }),
  answers: {
    200: v.strictObject({
      tag: v.string(),
      seq: count,
      hardSeq: count,
      softSeq: count,
      purgedAt: v.optional(time),
      members: v.array(
        v.strictObject({ key: v.string(), seq: count, purged: v.boolean(), expiresAt: time }),
      ),
      nextCursor: v.optional(v.string()),
    }),
  },
  problems: ["unavailable"],
});

const counts = Object.fromEntries(Object.keys(noCounts()).map((name) => [name, count])) as Record<
  keyof CacheCounts,
  typeof count
>;

export const cacheMetrics = operation({
  id: "cacheMetrics",
  method: "GET",
  path: "/api/cache/metrics",
  access: "viewer",
  tag,
  summary:
    "Cache counters of the whole fleet since the first deployment, at most a few seconds old.",
  query: v.strictObject({}),
  answers: {
    200: v.strictObject({
      circuitBreakerState: v.picklist(["CLOSED", "OPEN", "HALF_OPEN", "UNREACHABLE"]),
      circuitBreakerFailures: v.nullable(count),
      hitRate: v.string(),
      errorRate: v.string(),
      hits: count,
      errors: count,
      ...counts,
    }),
  },
  problems: ["unavailable"],
});
