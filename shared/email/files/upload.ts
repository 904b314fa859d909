import type { KeyedRequest } from "../../database/answered-requests.ts";
import { writeDatabase, type WriteFailure } from "../../database/write.ts";
import type { Failure } from "../../http/failure.ts";
import { within } from "../../lib/base/deadline.ts";
import { hex } from "../../lib/base/hash.ts";
import { fail, ok, type Result } from "../../lib/base/result.ts";
import { newUuidV7 } from "../../lib/base/uuid.ts";
import { describeError, log } from "../../lib/worker/log.ts";
import { objectKey, UNNAMED_FOR_MS } from "../rules/file.ts";
import {
  expireUpload,
  hasFile,
  insertFile,
  isStored,
  markStored,
  type NewFile,
} from "../sql/files.ts";

/** How long R2 may take for a part of a file, and to confirm it. */
const R2_TIMEOUT_MS = 30_000;
/** When a tenant with too many files may try again: its emails name them meanwhile. */
const FULL_RETRY_MS = 60_000;
/** There is one database. */
const SHARD = 0;

export type FileStore = { db: D1Database; bucket: R2Bucket };

type Upload = Pick<NewFile, "tenant" | "filename" | "contentType" | "sizeBytes">;
export type UploadedFile = NewFile & { sha256: string };
type UploadFailure =
  | WriteFailure
  | Extract<Failure, { tag: "aborted" | "unavailable" | "too-many-files" }>;

/**
 * Stores a file as it arrives: first its row, then the bytes, then their digest in the row. A
 * failure in between leaves a row that expires, and with it the object.
 */
export async function uploadFile(
  store: FileStore,
  upload: Upload,
  body: ReadableStream<Uint8Array> | null,
  { now, keyed }: { now: number; keyed: KeyedRequest | null },
): Promise<Result<UploadedFile, UploadFailure>> {
  const { db } = store;
  const id = newUuidV7(now, SHARD);
  const file = { ...upload, id, createdAt: now, expiresAt: now + UNNAMED_FOR_MS };
  const inserted = await writeDatabase(
    () => insertFile(db, file),
    () => hasFile(db, id),
  );
  if (!inserted.ok) return inserted;
  if (!inserted.value) return fail({ tag: "too-many-files", retryAfterMs: FULL_RETRY_MS });
  const stored = await storeBytes(store.bucket, file, body);
  if (!stored.ok) {
    await within(R2_TIMEOUT_MS, expireUpload(db, id, now)).catch((error: unknown) =>
      log("warn", "attachment.not_expired", { attachmentId: id, ...describeError(error) }),
    );
    return stored;
  }
  const marked = await writeDatabase(
    () => markStored(db, { id, sha256: stored.value }, keyed, now),
    () => isStored(db, id),
  );
  if (!marked.ok) return marked;
  if (!marked.value) return fail({ tag: "unavailable", dependency: "database" });
  log("info", "attachment.stored", { attachmentId: id, bytes: file.sizeBytes });
  return ok({ ...file, sha256: stored.value });
}

/** @returns the SHA-256 of what R2 has confirmed */
async function storeBytes(
  bucket: R2Bucket,
  file: NewFile,
  body: ReadableStream<Uint8Array> | null,
): Promise<Result<string, UploadFailure>> {
  const digest = new crypto.DigestStream("SHA-256");
  const { readable, writable } = new FixedLengthStream(file.sizeBytes);
  const put = putObject(bucket, objectKey(file), readable);
  // It is awaited below, unless the client goes away before.
  put.catch(() => undefined);
  // R2 that refuses reads no further.
  const refused = new Promise<never>((_, reject) => void put.catch(reject));
  refused.catch(() => undefined);
  const inTime = async (work: Promise<void>): Promise<void> =>
    await within(R2_TIMEOUT_MS, Promise.race([work, refused]));
  digest.digest.catch(() => undefined);
  const copied = await copy(body, digest.getWriter(), writable.getWriter(), inTime);
  if (copied === "aborted") return fail({ tag: "aborted" });
  try {
    if (copied !== null) throw copied;
    await within(R2_TIMEOUT_MS, put);
    return ok(hex(await digest.digest));
  } catch (error) {
    log("error", "attachment.not_stored", { attachmentId: file.id, ...describeError(error) });
    return fail({ tag: "unavailable", dependency: "attachment store" });
  }
}

async function putObject(bucket: R2Bucket, key: string, bytes: ReadableStream): Promise<void> {
  const object = await bucket.put(key, bytes);
  if (object === null) throw new Error("R2 did not store the file");
}

type Writer = WritableStreamDefaultWriter<Uint8Array>;

/**
 * Each chunk goes to the digest and to R2 before the next is read, so that a slow R2 slows the
 * client down and nothing piles up.
 *
 * @returns null once all of it is written, `aborted` if the client went away, or R2's error
 */
async function copy(
  body: ReadableStream<Uint8Array> | null,
  digest: Writer,
  file: Writer,
  inTime: (work: Promise<void>) => Promise<void>,
): Promise<"aborted" | Error | null> {
  let isWriting = false;
  try {
    // The stream of a body fails only when its client has gone away.
    for await (const chunk of body ?? []) {
      isWriting = true;
      await digest.write(chunk);
      await inTime(file.write(chunk));
      isWriting = false;
    }
    isWriting = true;
    await digest.close();
    await inTime(file.close());
    return null;
  } catch (error) {
    await Promise.allSettled([digest.abort(), file.abort()]);
    if (!isWriting) return "aborted";
    return error instanceof Error ? error : new Error(String(error));
  }
}
