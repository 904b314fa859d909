import { waitUntil } from "cloudflare:workers";
import { cacheOf } from "../../shared/accounts/cache.ts";
import { purgingAfter as purging } from "../../shared/database/purge-outbox/purging-after.ts";
import type { Result } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";

/** Writes during a request, and then purges what the write makes old. */
export async function purgingAfter<Value, Problem>(
  env: ApiEnv,
  tags: readonly string[],
  write: (intentId: string) => Promise<Result<Value, Problem>>,
  tagsOf?: (written: Value) => readonly string[],
): Promise<Result<Value, Problem>> {
  const ports = {
    db: env.DB,
    cache: cacheOf(env),
    background: (work: Promise<unknown>) => waitUntil(work),
  };
  return await purging(ports, tags, write, tagsOf);
}
