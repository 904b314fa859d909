import type { Result } from "../../lib/base/result.ts";
import { groupsWithin, sizeOf } from "../../lib/base/sizes.ts";
import type { PurgeReply } from "../../lib/cache/index.ts";
import { MAX_PURGE, type PurgeRequest } from "../../lib/cache/rules/index.ts";
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
/** After so many failures in a row the index counts as down, and the rest waits. */
const MAX_FAILURES = 3;

/**
 * Delivers the purges that a crash, or an index that did not answer, left in the outbox. It can run
 * twice and beside itself: to purge again costs one miss. A purge is deleted after the index has
 * it, so a crash in between repeats it.
 *
 * @returns how many entries of the outbox were delivered, and in how many requests to the index
 * @throws what the index or D1 throws. What was delivered stays delivered, and one purge that the
 *   index throws at does not stop the others
 */
export async function flushPurgeOutbox(
  { db, purge }: FlushPorts,
  now: number,
): Promise<{ delivered: number; purges: number }> {
  const groups = groupsOf(await listPurges(db, now - OWN_DELIVERY_MS, LIMIT));
  let delivered = 0;
  let purges = 0;
  const errors: unknown[] = [];
  for (let failures = 0, n = 0; n < groups.length && failures < MAX_FAILURES; n += 1) {
    const group = groups[n] ?? [];
    const purged = await purgeTogether(purge, group).catch((error: unknown) => ({ error }));
    if ("ok" in purged && (purged.ok || group.length === 1)) {
      failures = 0;
      if (purged.ok) {
        delivered += group.length;
        purges += 1;
      } else {
        // It names a tag that no entry can carry.
        log("error", "purge_intent.refused", { fields: listFields(purged.error.errors) });
      }
      await deletePurges(
        db,
        group.map(({ id }) => id),
      );
      continue;
    }
    if (!("ok" in purged)) {
      errors.push(purged.error);
      failures += 1;
    }
    // It is one of them. The others are delivered one at a time.
    if (group.length > 1) groups.push(...group.map((pending) => [pending]));
  }
  if (errors.length > 0) throw errors[0];
  return { delivered, purges };
}

async function purgeTogether(
  purge: FlushPorts["purge"],
  group: readonly PendingPurge[],
): Promise<Result<PurgeReply, Invalid>> {
  const [{ mode } = { mode: "hard" as const }] = group;
  const tags = group.some((pending) => pending.tags === "everything")
    ? "everything"
    : [...new Set(group.flatMap((pending) => pending.tags))];
  return await purge({ since: null, tags, mode });
}

/** Groups of one mode, each of which fits into one request to the index. */
function groupsOf(pending: readonly PendingPurge[]): PendingPurge[][] {
  return (["hard", "soft"] as const).flatMap((mode) =>
    groupsWithin(
      pending.filter((one) => one.mode === mode),
      MAX_PURGE,
      ({ tags }) => (tags === "everything" ? { count: 1, bytes: 0 } : sizeOf(tags)),
    ),
  );
}
