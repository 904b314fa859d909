import { flushPurgeOutbox } from "../../../shared/database/purge-outbox/flush.ts";
import type { Result } from "../../../shared/lib/base/result.ts";
import { type PurgeReply } from "../../../shared/lib/cache/index.ts";
import { INDEX_NAME } from "../../../shared/lib/cache/rules/index.ts";
import { getStub } from "../../../shared/lib/worker/placement.ts";
import type { Invalid } from "../../../shared/lib/worker/validate.ts";
import type { CronTask } from "../task.ts";

/** Delivers purges to the tag index that their writers could not deliver. */
export const deliverPurges: CronTask = {
  name: "deliver-purges",
  cron: "* * * * *",
  timeoutMs: 50_000,
  graceMs: 120_000,
  overlap: "skip",
  async run({ context: env }) {
    const index = getStub(env.CACHE_TAG_INDEX, INDEX_NAME, env);
    // The types of RPC do not preserve tuples.
    const purge = async (request: Parameters<typeof index.purge>[0]) =>
      (await index.purge(request)) as Result<PurgeReply, Invalid>;
    return await flushPurgeOutbox({ db: env.DB, purge }, Date.now());
  },
};
