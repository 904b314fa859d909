import { insertCreated, type KeyedRequest } from "../../database/answered-requests.ts";
import { runBatch } from "../../database/batch.ts";
import { MAX_UNNAMED } from "../rules/file.ts";

/** SQL of uploaded files: the table `attachments`. */

export type NewFile = {
  id: string;
  tenant: string;
  filename: string;
  contentType: string;
  sizeBytes: number;
  createdAt: number;
  expiresAt: number;
};

/**
 * Before the object is written: after a crash the row names an object that R2 may have.
 *
 * @returns false if the tenant has too many files that no email names
 */
export async function insertFile(db: D1Database, file: NewFile): Promise<boolean> {
  const { meta } = await db
    .prepare(
      `INSERT INTO attachments
         (id, tenant, status, filename, content_type, size_bytes, created_at, expires_at)
       SELECT ?1, ?2, 'uploading', ?3, ?4, ?5, ?6, ?7
       FROM (SELECT COUNT(*) AS files, COALESCE(SUM(size_bytes), 0) AS bytes
             FROM attachments WHERE tenant = ?2 AND expires_at > ?6) AS unnamed
       WHERE unnamed.files < ?8 AND unnamed.bytes + ?5 <= ?9`,
    )
    .bind(
      file.id,
      file.tenant,
      file.filename,
      file.contentType,
      file.sizeBytes,
      file.createdAt,
      file.expiresAt,
      MAX_UNNAMED.files,
      MAX_UNNAMED.bytes,
    )
    .run();
  return meta.changes > 0;
}

/** @returns null if it is not there */
export async function hasFile(db: D1Database, id: string): Promise<true | null> {
  const row = await db.prepare("SELECT 1 FROM attachments WHERE id = ?1").bind(id).first();
  return row === null ? null : true;
}

/** Records that R2 has the file. @returns false if it was no longer being uploaded */
export async function markStored(
  db: D1Database,
  { id, sha256 }: { id: string; sha256: string },
  keyed: KeyedRequest | null,
  now: number,
): Promise<boolean> {
  const { stored } = await runBatch(db, {
    stored: db
      .prepare(
        `UPDATE attachments SET status = 'stored', sha256 = ?2
         WHERE id = ?1 AND status = 'uploading' RETURNING id`,
      )
      .bind(id, sha256),
    answered: insertCreated(db, keyed, now, {
      created: "SELECT id FROM attachments WHERE id = ?1 AND status = 'stored'",
      bound: [id],
    }),
  });
  return stored.results.length > 0;
}

/** What an upload answers of a stored file besides what it was sent with. */
export async function findStored(
  db: D1Database,
  id: string,
): Promise<{ id: string; sha256: string; expiresAt: number } | null> {
  return await db
    .prepare(
      `SELECT id, sha256, expires_at AS expiresAt FROM attachments
       WHERE id = ?1 AND status = 'stored'`,
    )
    .bind(id)
    .first<{ id: string; sha256: string; expiresAt: number }>();
}

/** @returns null if it is not stored */
export async function isStored(db: D1Database, id: string): Promise<true | null> {
  const row = await db
    .prepare("SELECT 1 FROM attachments WHERE id = ?1 AND status = 'stored'")
    .bind(id)
    .first();
  return row === null ? null : true;
}

/** An upload that broke off goes with the next run of the task. */
export async function expireUpload(db: D1Database, id: string, now: number): Promise<void> {
  await db
    .prepare("UPDATE attachments SET expires_at = ?2 WHERE id = ?1 AND status = 'uploading'")
    .bind(id, now)
    .run();
}
