/** The part of the cache that needs no Workers runtime, for contracts, scripts and clients. */
export { noCounts, type CacheCounts } from "./counts.ts";
export { CACHE_BREAKER } from "./faults.ts";
export { isPattern } from "./keys.ts";
export { cacheSettings } from "./variables.ts";
export { inspectRequest, MAX_TAGS_PER_PURGE, purgeMode, tag } from "../tags/rules/rpc.ts";
