import type { Result } from "../../lib/base/result.ts";
import { MAX_TAGS_PER_PURGE, type PurgeReply, type PurgeRequest } from "../../lib/cache/index.ts";
import { log } from "../../lib/worker/log.ts";
import { type Invalid, listFields } from "../../lib/worker/validate.ts";
import { deleteIntents, listIntents, type Intent } from "./purge-intents.ts";

export type Delivery = {
  db: D1Database;
  purge: (request: PurgeRequest) => Promise<Result<PurgeReply, Invalid>>;
};

/**
 * Whoever wrote delivers within this time, if they can: the sweep takes what they could not, and
 * the intent with it.
 */
export const OWN_DELIVERY_MS = 10_000;
const LIMIT = 1_000;

/**
 * Delivers purges that a crash, or an index that did not answer, left behind. Safe to run twice and
 * beside anything else: to purge again what was purged costs a miss. Intents are deleted after the
 * index has the purge, so that a death in between repeats it.
 *
 * @returns how many intents were delivered, and in how many purges
 * @throws what the index or D1 throws; what was delivered by then stays delivered
 */
export async function deliverPurges(
  { db, purge }: Delivery,
  now: number,
): Promise<{ delivered: number; purges: number }> {
  const intents = await listIntents(db, now - OWN_DELIVERY_MS, LIMIT);
  const groups = together(intents);
  let [delivered, purges] = [0, 0];
  for (const group of groups) {
    const [{ mode } = { mode: "hard" as const }] = group;
    const tags = group.some((intent) => intent.tags === "everything")
      ? "everything"
      : [...new Set(group.flatMap((intent) => intent.tags))];
    const purged = await purge({ since: null, tags, mode });
    if (purged.ok) {
      delivered += group.length;
      purges += 1;
    } else if (group.length > 1) {
      // One of them is to blame, and must not keep the others.
      groups.push(...group.map((intent) => [intent]));
      continue;
    } else {
      // It names what no entry can carry.
      log("error", "purge_intent.refused", { fields: listFields(purged.error.errors) });
    }
    await deleteIntents(
      db,
      group.map(({ id }) => id),
    );
  }
  return { delivered, purges };
}

/** Groups of one mode that fit into one purge each. */
function together(intents: readonly Intent[]): Intent[][] {
  const groups: Intent[][] = [];
  for (const mode of ["hard", "soft"] as const) {
    let [group, size]: [Intent[], number] = [[], 0];
    for (const intent of intents.filter((one) => one.mode === mode)) {
      const tags = intent.tags === "everything" ? 1 : intent.tags.length;
      if (group.length > 0 && size + tags > MAX_TAGS_PER_PURGE) {
        groups.push(group);
        [group, size] = [[], 0];
      }
      group.push(intent);
      size += tags;
    }
    if (group.length > 0) groups.push(group);
  }
  return groups;
}
