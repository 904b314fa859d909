import type { Result } from "../../lib/base/result.ts";
import { MAX_TAGS_PER_PURGE, type PurgeReply, type PurgeRequest } from "../../lib/cache/index.ts";
import { log } from "../../lib/worker/log.ts";
import { type Invalid, listFields } from "../../lib/worker/validate.ts";
import { deletePurges, listPurges, type PendingPurge } from "./pending-purges.ts";

export type FlushPorts = {
  db: D1Database;
  purge: (request: PurgeRequest) => Promise<Result<PurgeReply, Invalid>>;
};

/**
 * The writer of a purge delivers it within this time if it can. The sweep delivers only what is
 * older.
 */
export const OWN_DELIVERY_MS = 10_000;
const LIMIT = 1_000;

/**
 * Delivers the purges that a crash, or an index that did not answer, left in the outbox. It can run
 * twice and beside itself: to purge again costs one miss. A purge is deleted after the index has
 * it, so a crash in between repeats it.
 *
 * @returns how many entries of the outbox were delivered, and in how many requests to the index
 * @throws what the index or D1 throws; what was delivered by then stays delivered
 */
export async function flushPurgeOutbox(
  { db, purge }: FlushPorts,
  now: number,
): Promise<{ delivered: number; purges: number }> {
  const groups = groupsOf(await listPurges(db, now - OWN_DELIVERY_MS, LIMIT));
  let delivered = 0;
  let purges = 0;
  for (const group of groups) {
    const [{ mode } = { mode: "hard" as const }] = group;
    const tags = group.some((pending) => pending.tags === "everything")
      ? "everything"
      : [...new Set(group.flatMap((pending) => pending.tags))];
    const purged = await purge({ since: null, tags, mode });
    if (purged.ok) {
      delivered += group.length;
      purges += 1;
    } else if (group.length > 1) {
      // The index refuses one of them. The others are delivered one at a time.
      groups.push(...group.map((pending) => [pending]));
      continue;
    } else {
      // It names a tag that no entry can carry.
      log("error", "purge_intent.refused", { fields: listFields(purged.error.errors) });
    }
    await deletePurges(
      db,
      group.map(({ id }) => id),
    );
  }
  return { delivered, purges };
}

/** Groups of one mode, each of which fits into one request to the index. */
function groupsOf(pending: readonly PendingPurge[]): PendingPurge[][] {
  const groups: PendingPurge[][] = [];
  for (const mode of ["hard", "soft"] as const) {
    let group: PendingPurge[] = [];
    let size = 0;
    for (const purge of pending.filter((one) => one.mode === mode)) {
      const tags = purge.tags === "everything" ? 1 : purge.tags.length;
      if (group.length > 0 && size + tags > MAX_TAGS_PER_PURGE) {
        groups.push(group);
        group = [];
        size = 0;
      }
      group.push(purge);
      size += tags;
    }
    if (group.length > 0) groups.push(group);
  }
  return groups;
}
