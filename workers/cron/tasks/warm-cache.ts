import { readRelated, readUser, readUserByApiKey } from "../../../shared/accounts/reads.ts";
import { activeUsers, type ActiveUser } from "../../../shared/accounts/sql/activity.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import { fanOut } from "../../../shared/lib/worker/fan-out.ts";
import type { CronEnv } from "../../env.ts";
import type { CronTask } from "../task.ts";

const ACTIVE_MS = DAY_MS;
/** Users per run: those who came last. */
const LIMIT = 100;
/** Users between two looks at the time limit. */
const GROUP = 10;

/** Keeps the API key, the user and the permissions of the users who came last in the cache. */
export const warmCache: CronTask = {
  name: "warm-cache",
  cron: "*/2 * * * *",
  timeoutMs: 60_000,
  graceMs: 600_000,
  overlap: "skip",
  mayPause: true,
  async run({ context: env, signal }) {
    const now = Date.now();
    const users = await activeUsers(env.DB, now - ACTIVE_MS, LIMIT);
    const counts = { users: 0, warm: 0, loaded: 0, failed: 0 };
    for (let from = 0; from < users.length && !signal.aborted; from += GROUP) {
      const group = users.slice(from, from + GROUP);
      const reads = group.flatMap((user) => readsOf(env, user));
      for (const read of await fanOut(reads, async (one) => await one())) {
        if (!read.ok) counts.failed += 1;
        else if (read.status.kind === "hit") counts.warm += 1;
        else counts.loaded += 1;
      }
      counts.users += group.length;
    }
    return counts;
  },
};

function readsOf(env: CronEnv, { userId, apiKeyHash }: ActiveUser) {
  return [
    async () => await readUserByApiKey(env, apiKeyHash, "bounded"),
    async () => await readUser(env, userId, "bounded"),
    async () => await readRelated(env, userId, "permissions", "bounded"),
  ];
}
