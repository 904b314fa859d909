import { readRelated, readUser, readUserByApiKey } from "../../../shared/accounts/reads.ts";
import { activeUsers, markWarmed, type ActiveUser } from "../../../shared/accounts/sql/activity.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import type { CronEnv } from "../../env.ts";
import type { CronTask } from "../task.ts";

const ACTIVE_MS = DAY_MS;
/** Users per run, the least recently warmed first. The next run continues with the others. */
const LIMIT = 100;
/** Users warmed at the same time: D1 and KV must also serve requests. */
const AT_ONCE = 5;

/** Keeps the API key, the user and the permissions of recently active users in the cache. */
export const warmCache: CronTask = {
  name: "warm-cache",
  cron: "*/2 * * * *",
  timeoutMs: 60_000,
  graceMs: 600_000,
  overlap: "skip",
  async run({ context: env, signal }) {
    const now = Date.now();
    const users = await activeUsers(env.DB, now - ACTIVE_MS, LIMIT);
    const counts = { users: 0, warm: 0, loaded: 0, failed: 0 };
    for (let from = 0; from < users.length && !signal.aborted; from += AT_ONCE) {
      const group = users.slice(from, from + AT_ONCE);
      for (const read of (await Promise.all(group.map((user) => warm(env, user)))).flat()) {
        if (!read.ok) counts.failed += 1;
        else if (read.status.kind === "hit") counts.warm += 1;
        else counts.loaded += 1;
      }
      counts.users += group.length;
      await markWarmed(
        env.DB,
        group.map(({ userId }) => userId),
        now,
      );
    }
    return counts;
  },
};

async function warm(env: CronEnv, { userId, apiKeyHash }: ActiveUser) {
  return await Promise.all([
    readUserByApiKey(env, apiKeyHash, "bounded"),
    readUser(env, userId, "bounded"),
    readRelated(env, userId, "permissions", "bounded"),
  ]);
}
