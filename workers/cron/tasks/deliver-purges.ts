import { deliverPurges } from "../../../shared/cache-tags/intents/deliver.ts";
import { INDEX_NAME, type Invalid, type PurgeReply } from "../../../shared/cache-tags/rpc.ts";
import type { Result } from "../../../shared/result.ts";
import type { Task } from "../tasks.ts";

/** Delivers to the tag index the purges that whoever wrote could not. */
export const deliverPurgesTask: Task = {
  name: "deliver-purges",
  async run({ env }) {
    const index = env.CACHE_TAG_INDEX.getByName(INDEX_NAME);
    // RPC's types lose tuples.
    const purge = async (request: Parameters<typeof index.purge>[0]) => (await index.purge(request)) as Result<PurgeReply, Invalid>;
    return await deliverPurges({ db: env.DB, purge }, Date.now());
  },
};
