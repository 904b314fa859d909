import type { FileStore } from "../../shared/email/files/upload.ts";
import { ALL_FOLDERS, folderOf, objectKey } from "../../shared/email/rules/file.ts";
import { deleteFiles, idsWithoutFile, markDeleting } from "../../shared/email/sql/expired-files.ts";
import { DAY_MS } from "../../shared/lib/base/clock.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { log } from "../../shared/lib/worker/log.ts";
import { readCursor, saveCursor } from "../../shared/schedule/sql/cursors.ts";

/** How long R2 may take for a page. */
const R2_TIMEOUT_MS = 30_000;

/**
 * For `drainInBatches`: deletes files that have expired, first the objects and then their rows. A
 * run that a crash interrupts is made again from the beginning.
 *
 * @returns how many
 */
export async function deleteExpiredFiles(
  { db, bucket }: FileStore,
  until: number,
  limit: number,
): Promise<number> {
  const files = await markDeleting(db, until, limit);
  if (files.length === 0) return 0;
  await within(R2_TIMEOUT_MS, bucket.delete(files.map(objectKey)));
  await deleteFiles(db, files);
  return files.length;
}

const CURSOR = "attachment-orphans";
/** Objects that R2 lists at a time, and pages of one run. */
const PAGE = 1_000;
const MAX_PAGES = 10;

/**
 * Deletes objects without a row: of an upload that went on after its row had expired, or after D1
 * was restored. It looks at each object once, in the order of the days, when that day is two days
 * old.
 *
 * @returns how many
 */
export async function deleteOrphans(
  { db, bucket }: FileStore,
  now: number,
  signal: AbortSignal,
): Promise<number> {
  const before = folderOf(now - DAY_MS);
  let { id: startAfter } = await readCursor(db, CURSOR, "");
  let deleted = 0;
  for (let page = 0; page < MAX_PAGES && !signal.aborted; page += 1) {
    const listing = bucket.list({
      prefix: ALL_FOLDERS,
      limit: PAGE,
      ...(startAfter !== "" && { startAfter }),
    });
    const { objects } = await within(R2_TIMEOUT_MS, listing);
    const keys = objects.map(({ key }) => key).filter((key) => key < before);
    const last = keys.at(-1);
    if (last === undefined) break;
    const without = new Set(await idsWithoutFile(db, keys.map(idOf)));
    const orphans = keys.filter((key) => without.has(idOf(key)));
    if (orphans.length > 0) {
      await within(R2_TIMEOUT_MS, bucket.delete(orphans));
      log("warn", "attachment.orphans_deleted", { objects: orphans.length });
    }
    deleted += orphans.length;
    startAfter = last;
    await saveCursor(db, CURSOR, "", { id: last, finished: false });
    if (keys.length < PAGE) break;
  }
  return deleted;
}

const idOf = (key: string): string => key.slice(key.lastIndexOf("/") + 1);
