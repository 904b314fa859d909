import { within } from "../../../base/deadline.ts";
import { storageKey } from "../../rules/keys.ts";
import { deleteEntries, keysUnder, type KeyRow } from "./stored-entries.ts";
import {
  advanceReclaim,
  deleteReclaim,
  deleteUnused,
  endOfPage,
  listReclaims,
  type Reclaim,
} from "./stored-reclaims.ts";

/** One run calls KV so often: well within the 1,000 subrequests of an invocation. */
const CALLS_PER_RUN = 500;
const RUN_MS = 10_000;
/** One step looks at so many purged tags and keys: the object answers no request meanwhile. */
const TAGS_PER_STEP = 250;
const KEYS_PER_STEP = 60;
/** An invocation may have so many connections open at a time. */
const AT_ONCE = 6;
const TIMEOUT_MS = 5_000;

/** Where the first lap over the purged tags begins. */
export const START = new ArrayBuffer(0);

/**
 * - `deleted`, `failures`: keys that KV deleted, or did not.
 * - `down`: KV deleted none of the last group, so no further group was tried.
 * - `moved`: purged tags that are done, or nearer to it.
 * - `next`: after which tag the next run begins.
 */
export type Reclaimed = {
  deleted: number;
  failures: number;
  down: boolean;
  moved: number;
  next: ArrayBuffer;
};

/** A purged tag, the keys under it that were looked at, and whether there are more. */
type Part = { reclaim: Reclaim; purged: string[]; last: string; isLast: boolean };

/** `dropped`: purged tags with nothing under them. `next`: where the step after this begins. */
type Step = { dropped: number; parts: Part[]; entries: KeyRow[]; next: ArrayBuffer };

/**
 * Deletes purged entries from KV, so that they take no space. It goes through the purged tags in
 * their order, lap by lap, and resumes where it stopped. A key that KV does not delete is left to
 * its expiry and does not stop the others. A key that is stored again meanwhile may be deleted,
 * too, which costs one miss.
 */
export async function reclaimSome(
  sql: SqlStorage,
  kv: KVNamespace,
  clock: () => number,
  from: ArrayBuffer,
): Promise<Reclaimed> {
  const total: Reclaimed = { deleted: 0, failures: 0, down: false, moved: 0, next: from };
  const until = clock() + RUN_MS;
  let lapped = false;
  for (let calls = 0; calls < CALLS_PER_RUN && clock() < until;) {
    const step = nextStep(sql, total.next);
    if (step === null) {
      const isOver = lapped || total.next.byteLength === 0;
      total.next = START;
      if (isOver) break;
      lapped = true;
      continue;
    }
    const { entries, parts } = step;
    // KV itself drops expired entries.
    const now = clock();
    const settled = new Set(entries.filter((one) => one.expiresAt <= now).map(({ key }) => key));
    const live = entries.filter(({ key }) => !settled.has(key));
    calls += live.length;
    for (let start = 0; start < live.length && !total.down; start += AT_ONCE) {
      const group = live.slice(start, start + AT_ONCE);
      const gone = await deleteFrom(kv, group);
      total.deleted += gone.length;
      total.failures += group.length - gone.length;
      total.down = gone.length === 0;
      deleteEntries(sql, gone);
      if (!total.down) for (const { key } of group) settled.add(key);
    }
    deleteEntries(
      sql,
      entries.filter((one) => one.expiresAt <= now),
    );
    total.moved += step.dropped + settleParts(sql, parts, settled);
    // Where KV is down, the next run begins with other tags.
    total.next = (total.down ? parts.at(-1)?.reclaim.id : null) ?? step.next;
    if (total.down) break;
    await scheduler.wait(0);
  }
  return total;
}

/** The next purged tags with the keys under them, as many as one step takes. Null: none follow. */
function nextStep(sql: SqlStorage, from: ArrayBuffer): Step | null {
  const upTo = endOfPage(sql, from, TAGS_PER_STEP);
  if (upTo === null) return null;
  const dropped = deleteUnused(sql, from, upTo);
  const parts: Part[] = [];
  const entries = new Map<string, KeyRow>();
  let room = KEYS_PER_STEP;
  const step = (next: ArrayBuffer): Step => ({
    dropped,
    parts,
    entries: [...entries.values()],
    next,
  });
  for (const reclaim of listReclaims(sql, { from, upTo, limit: KEYS_PER_STEP })) {
    const page = keysUnder(sql, reclaim.tag, reclaim.after, room);
    const purged = page.filter(({ seq }) => seq < reclaim.seq);
    for (const entry of purged) entries.set(entry.key, entry);
    const isLast = page.length < room;
    const before = parts.at(-1)?.reclaim.id ?? from;
    const last = page.at(-1)?.key ?? reclaim.after;
    parts.push({ reclaim, purged: purged.map(({ key }) => key), last, isLast });
    if (!isLast) return step(before);
    room -= page.length;
  }
  return step(parts.length === KEYS_PER_STEP ? (parts.at(-1)?.reclaim.id ?? upTo) : upTo);
}

/** @returns how many of the tags are done, or nearer to it */
function settleParts(sql: SqlStorage, parts: Part[], settled: ReadonlySet<string>): number {
  let moved = 0;
  for (const { reclaim, purged, last, isLast } of parts) {
    if (!purged.every((key) => settled.has(key))) continue;
    if (isLast) deleteReclaim(sql, reclaim);
    else advanceReclaim(sql, reclaim, last);
    moved += 1;
  }
  return moved;
}

/** @returns those that KV deleted */
async function deleteFrom(kv: KVNamespace, group: readonly KeyRow[]): Promise<KeyRow[]> {
  const outcomes = await Promise.allSettled(
    group.map(async ({ key }) => {
      await within(TIMEOUT_MS, kv.delete(await storageKey(key)));
    }),
  );
  return group.filter((_, n) => outcomes[n]?.status === "fulfilled");
}
