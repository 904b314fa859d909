import { waitUntil } from "cloudflare:workers";
import { purgingAfter } from "../../shared/database/purge-outbox/purging-after.ts";
import type { Result } from "../../shared/lib/base/result.ts";
import { countedCache } from "../../shared/telemetry/counted-cache.ts";
import type { ApiEnv } from "../env.ts";

/** Writes during a request, and then purges what the write makes old. */
export async function withPurge<Value, Problem>(
  env: ApiEnv,
  tags: readonly string[],
  write: (purgeId: string) => Promise<Result<Value, Problem>>,
  tagsOf?: (written: Value) => readonly string[],
): Promise<Result<Value, Problem>> {
  const ports = {
    db: env.DB,
    cache: countedCache(env),
    background: (work: Promise<unknown>) => waitUntil(work),
  };
  return await purgingAfter(ports, tags, write, tagsOf);
}
