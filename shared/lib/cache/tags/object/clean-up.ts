import { MAX_LIFE_MS } from "../../rules/entry.ts";
import { deleteSoonest } from "./stored-entries.ts";
import { deleteReclaims } from "./stored-reclaims.ts";
import { deleteOldTags } from "./stored-tags.ts";

/** Longer than any entry lives, so older purges can be forgotten. */
const TAG_RETENTION_MS = 2 * MAX_LIFE_MS;
/** One step deletes so many rows of a table: the object answers no request meanwhile. */
const STEP = 250;

/** `forgotten`: the greatest sequence of the tags that were forgotten; 0: none. */
export type CleanedUp = { deleted: number; forgotten: number };

/**
 * One step of the clean-up: forgets what has expired and, while the object holds more than
 * `maxBytes`, what costs least to lose.
 */
export function cleanUpStep(sql: SqlStorage, now: number, maxBytes: number): CleanedUp {
  const deleted = deleteSoonest(sql, now, STEP);
  const forgotten = deleteOldTags(sql, now - TAG_RETENTION_MS, STEP);
  if (deleted > 0 || forgotten > 0 || sql.databaseSize <= maxBytes) return { deleted, forgotten };
  return makeRoom(sql, now);
}

/**
 * - Tags that were purged before every present entry was loaded: nothing is lost.
 * - What is known of KV: purged entries then stay in KV until they expire.
 * - Younger tags: the floor rises, and entries from before it are loaded again.
 */
function makeRoom(sql: SqlStorage, now: number): CleanedUp {
  const old = deleteOldTags(sql, now - MAX_LIFE_MS, STEP);
  if (old > 0) return { deleted: 0, forgotten: old };
  const deleted = deleteReclaims(sql, STEP) + deleteSoonest(sql, Number.MAX_SAFE_INTEGER, STEP);
  if (deleted > 0) return { deleted, forgotten: 0 };
  return { deleted, forgotten: deleteOldTags(sql, Number.MAX_SAFE_INTEGER, STEP) };
}
