export { CacheTagIndex } from "../../shared/cache-tags/object.ts";
export { default } from "../../workers/cron/index.ts";
