import { waitUntil } from "cloudflare:workers";
import type { PurgePorts } from "../../shared/accounts/purge.ts";
import { cacheOf } from "../../shared/cache/open.ts";
import type { ApiEnv } from "../../shared/env.ts";

/** What a write needs to purge what it makes old. */
export function purging(env: ApiEnv): PurgePorts {
  return { db: env.DB, cache: cacheOf(env), background: (work) => waitUntil(work) };
}
