import { within } from "../../shared/lib/base/deadline.ts";
import { log } from "../../shared/lib/worker/log.ts";
import type { CronEnv } from "../env.ts";
import { objectName, type ExportedPage } from "./rules/export.ts";

/**
 * The export of rows before their retention ends: each page is an object in R2, and is deleted from
 * D1 only once R2 has confirmed it.
 */

/** The longest that R2 may take for a page. */
const PUT_TIMEOUT_MS = 30_000;

export type Export = <Row extends object>(page: ExportedPage<Row>) => Promise<void>;

/**
 * @returns null if nothing is exported
 * @throws Error if pages are to be exported and no bucket is bound: then nothing may be deleted
 */
export function exportOf({ EXPORTS: bucket }: CronEnv, isOn: boolean): Export | null {
  if (!isOn) return null;
  if (bucket === undefined)
    throw new Error("EXPORT_BEFORE_DELETION is on, and no R2 bucket is bound as EXPORTS");
  return async (page) => {
    const lines = page.rows.map((row) => `${JSON.stringify(row)}\n`).join("");
    const bytes = new TextEncoder().encode(lines);
    const sha256 = await crypto.subtle.digest("SHA-256", bytes);
    const name = objectName(page);
    const httpMetadata = { contentType: "application/x-ndjson" };
    const stored = await within(PUT_TIMEOUT_MS, bucket.put(name, bytes, { sha256, httpMetadata }));
    if (stored === null) throw new Error(`R2 did not store ${name}`);
    log("info", "retention.exported", { object: name, rows: page.rows.length });
  };
}

/** A page that is exported, and how it is deleted afterwards. @returns `remove`: how many */
type Page<Row extends object> = ExportedPage<Row> & { remove: () => Promise<number> };

/**
 * For `drainInBatches`: exports and deletes pages until so many rows are deleted.
 *
 * @param read the next page: at most so many rows
 */
export async function exportPages<Row extends object>(
  write: Export,
  limit: number,
  read: (limit: number) => Promise<Page<Row> | null>,
): Promise<number> {
  let deleted = 0;
  while (deleted < limit) {
    const page = await read(limit - deleted);
    if (page === null) break;
    await write(page);
    const removed = await page.remove();
    if (removed === 0) break;
    deleted += removed;
  }
  return deleted;
}
