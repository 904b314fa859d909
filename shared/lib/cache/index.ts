/**
 * A read-through cache: memory of the isolate, then KV, then the origin. Purges by key, tag or
 * pattern go to one Durable Object. A load that runs during a purge does not bring the old value
 * back.
 *
 * A Worker hosts the object by exporting its class, with a binding and a migration in its
 * `wrangler.toml`. With `script_name = "luna-api"` in the binding it shares Luna's objects, and
 * needs neither the export nor the migration:
 *
 *     export { CacheTagIndex } from "luna-backend/cache";
 *
 *     [[durable_objects.bindings]]
 *     name = "CACHE_TAG_INDEX"
 *     class_name = "CacheTagIndex"
 *     [[migrations]]
 *     tag = "v1"
 *     new_sqlite_classes = ["CacheTagIndex"]
 */

// Outside this folder, import from here, or from `rules/index.ts` what needs no Workers runtime.
// This is the public surface of `luna-backend/cache`.
export { fail, ok, type Result } from "../base/result.ts";
export { cacheOf, readCached, type CacheEnv, type CacheHooks } from "./open.ts";
export type { Cache } from "./isolate/read-through.ts";
export { cacheStatusField, type CacheStatus } from "./rules/cache-status.ts";
export type { CacheCounts } from "./rules/counts.ts";
export {
  readDefaults,
  type CacheFailure,
  type CacheRead,
  type Consistency,
  type Keep,
  type ReadOptions,
} from "./rules/read.ts";
export { CacheTagIndex } from "./tags/object/object.ts";
export type { CacheTagIndexRpc, PurgeReply, PurgeTags } from "./tags/rules/rpc.ts";
export type { PurgeMode } from "./tags/rules/sequence.ts";
