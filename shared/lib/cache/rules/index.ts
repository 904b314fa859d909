/** The part of the cache that needs no Workers runtime, for contracts, scripts and clients. */
export {
  countNames,
  hitsIn,
  noCounts,
  readsBySource,
  sumOfCounts,
  type CacheCounts,
} from "./counts.ts";
export { CACHE_BREAKER } from "./faults.ts";
export { isPattern } from "./keys.ts";
export { cacheSettings, type CacheVariables } from "./variables.ts";
export { tag } from "../tags/rules/names.ts";
export {
  INDEX_NAME,
  inspectRequest,
  MAX_PURGE,
  MAX_TAGS_PER_PURGE,
  purgeMode,
  type PurgeRequest,
  type TagInspection,
} from "../tags/rules/rpc.ts";
