import { waitUntil } from "cloudflare:workers";
import { LRUCache } from "lru-cache";
import { noteSeen, SEEN_PRECISION_MS } from "../../shared/accounts/sql/activity.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";

/** When this isolate last wrote that a user was seen: once per hour and not for each request. */
const noted = new LRUCache<string, number>({ max: 10_000 });

/** Writes in the background that a user was seen. A request neither waits nor fails for it. */
export function noteUser(db: D1Database, userId: string, now: number): void {
  const last = noted.get(userId);
  if (last !== undefined && now - last < SEEN_PRECISION_MS) return;
  noted.set(userId, now);
  waitUntil(
    noteSeen(db, userId, now).catch((error: unknown) => {
      noted.delete(userId);
      log("warn", "last_seen.failed", describeError(error));
    }),
  );
}
