import { waitUntil } from "cloudflare:workers";
import { cacheOf } from "../../shared/accounts/cache.ts";
import type { PurgePorts } from "../../shared/database/purge-outbox/purging-after.ts";
import type { ApiEnv } from "../env.ts";

/** What a write needs to purge what it makes old. */
export function purging(env: ApiEnv): PurgePorts {
  return { db: env.DB, cache: cacheOf(env), background: (work) => waitUntil(work) };
}
