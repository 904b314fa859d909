import { within } from "../../lib/base/deadline.ts";
import { hex } from "../../lib/base/hash.ts";
import { fail, ok, type Result } from "../../lib/base/result.ts";
import { newUuidV7 } from "../../lib/base/uuid.ts";
import { fanOut } from "../../lib/worker/fan-out.ts";
import { describeError, log } from "../../lib/worker/log.ts";
import { objectKey } from "../rules/file.ts";
import { isNamed, type EmailMessage, type NamedAttachment } from "../schemas.ts";
import type { StoredFile } from "../sql/named-files.ts";

/**
 * Files that came within an email and for which its row has no room. R2 has them before the email
 * is accepted, and their rows are committed with the email. An object without a row is deleted.
 */

/** `places`: among the attachments. `tenant`: whose files they are. */
export type LargeFiles = { tenant: string; places: readonly number[] };

/** How long R2 may take for a file. */
const R2_TIMEOUT_MS = 30_000;
/** There is one database. */
const SHARD = 0;

type Attachments = NonNullable<EmailMessage["attachments"]>;
type Stored = { attachments: Attachments; newFiles: StoredFile[] };
type NotStored = { tag: "unavailable"; dependency: "attachment store" };

/** @returns the attachments, of which those files are named by an id */
export async function storeLarge(
  bucket: R2Bucket,
  attachments: Attachments,
  { tenant, places }: LargeFiles,
  now: number,
): Promise<Result<Stored, NotStored>> {
  const newFiles: StoredFile[] = [];
  const named = new Map<number, NamedAttachment>();
  try {
    await fanOut(places, async (place) => {
      const one = attachments[place];
      if (one === undefined || isNamed(one)) return;
      const { content, ...kept } = one;
      const bytes = Uint8Array.fromBase64(content);
      const id = newUuidV7(now, SHARD);
      const { filename, contentType } = one;
      const sha256 = hex(await crypto.subtle.digest("SHA-256", bytes));
      newFiles.push({ id, tenant, filename, contentType, sizeBytes: bytes.byteLength, sha256 });
      named.set(place, { ...kept, id });
      await within(R2_TIMEOUT_MS, bucket.put(objectKey({ id, createdAt: now }), bytes));
    });
  } catch (error) {
    log("error", "attachment.not_stored", { attachments: places.length, ...describeError(error) });
    await dropLarge(bucket, newFiles, now);
    return fail({ tag: "unavailable", dependency: "attachment store" });
  }
  log("info", "attachment.stored_inline", { attachments: newFiles.length });
  return ok({ attachments: attachments.map((one, place) => named.get(place) ?? one), newFiles });
}

/** Deletes the objects of an email that is not accepted. What stays is found without a row. */
export async function dropLarge(
  bucket: R2Bucket,
  files: readonly Pick<StoredFile, "id">[],
  now: number,
): Promise<void> {
  if (files.length === 0) return;
  const keys = files.map(({ id }) => objectKey({ id, createdAt: now }));
  await within(R2_TIMEOUT_MS, bucket.delete(keys)).catch((error: unknown) =>
    log("warn", "attachment.not_dropped", { attachments: keys.length, ...describeError(error) }),
  );
}
