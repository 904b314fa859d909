import { waitUntil } from "cloudflare:workers";
import { LRUCache } from "lru-cache";
import { noteSeen, SEEN_PRECISION_MS } from "../../shared/accounts/sql/activity.ts";
import { noteUsed, USED_PRECISION_MS } from "../../shared/accounts/sql/api-keys.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";

type Write = (db: D1Database, id: string, now: number) => Promise<void>;

/**
 * Writes in the background, at most once per `precisionMs` and id in this isolate. A request
 * neither waits nor fails for it.
 */
function noting(write: Write, precisionMs: number, failed: string) {
  const noted = new LRUCache<string, number>({ max: 10_000 });
  return (db: D1Database, id: string, now: number): void => {
    const last = noted.get(id);
    if (last !== undefined && now - last < precisionMs) return;
    noted.set(id, now);
    waitUntil(
      write(db, id, now).catch((error: unknown) => {
        noted.delete(id);
        log("warn", failed, describeError(error));
      }),
    );
  };
}

/** Notes that a user was seen. */
export const noteUser = noting(noteSeen, SEEN_PRECISION_MS, "last_seen.failed");

/** Notes that a key was used. */
export const noteKey = noting(noteUsed, USED_PRECISION_MS, "last_used.failed");
