import type { FileOfEmail } from "../rules/file.ts";
import type { Column, Json } from "./columns.ts";
import type { NewFile } from "./files.ts";

/** SQL of uploaded files that emails name. */

/** The first format in which an email may name files. */
const WITH_FILES = 4;

const wanted = "json_each(m.value -> 'files' -> 'ids') AS f";

/** SQL over an id `f` of a row `m`: that file `a`, if emails of the tenant may name it. */
const usable = `attachments AS a ON a.id = f.value
  AND a.tenant = m.value -> 'files' ->> 'tenant' AND a.status = 'stored'`;

/** SQL over a row `m`: the bytes of its files together. */
const totalBytes = `(SELECT COALESCE(SUM(a.size_bytes), 0) FROM ${wanted} JOIN ${usable})`;

/** SQL over a row `m`: it names no file, or only files that it may name, and has room for them. */
export const hasItsFiles = `(m.value -> 'files' IS NULL OR (
  NOT EXISTS (SELECT 1 FROM ${wanted} LEFT JOIN ${usable} WHERE a.id IS NULL)
  AND ${totalBytes} <= m.value -> 'files' ->> 'roomBytes'))`;

/** SQL over a row `m`: why it may not have its files, as JSON; NULL if it may. */
export const whyNoFiles = `iif(${hasItsFiles}, NULL, json_object(
  'missing', (SELECT json_group_array(f.key) FROM ${wanted} LEFT JOIN ${usable}
              WHERE a.id IS NULL),
  'bytes', ${totalBytes}))`;

/** Keeps the files of the emails that were accepted. @param rows JSON of all that were wanted */
export function linkFiles(db: D1Database, rows: string): D1PreparedStatement {
  return db
    .prepare(
      `INSERT OR IGNORE INTO email_attachments (email_id, attachment_id)
       SELECT e.id, f.value FROM json_each(?1) AS m JOIN emails AS e ON e.id = m.value ->> 'id'
       CROSS JOIN ${wanted}`,
    )
    .bind(rows);
}

/** A file that R2 has, and that is there once its email is. */
export type StoredFile = Pick<
  NewFile,
  "id" | "tenant" | "filename" | "contentType" | "sizeBytes"
> & { sha256: string };

/** Keeps the files that came within the emails that were accepted. */
export function insertStoredFiles(
  db: D1Database,
  rows: string,
  now: number,
): D1PreparedStatement[] {
  const inserted = `json_each(?1) AS m JOIN emails AS e ON e.id = m.value ->> 'id'
    CROSS JOIN json_each(m.value -> 'newFiles') AS f`;
  return [
    db
      .prepare(
        `INSERT OR IGNORE INTO attachments
           (id, tenant, status, filename, content_type, size_bytes, sha256, created_at)
         SELECT f.value ->> 'id', f.value ->> 'tenant', 'stored', f.value ->> 'filename',
           f.value ->> 'contentType', f.value ->> 'sizeBytes', f.value ->> 'sha256', ?2
         FROM ${inserted}`,
      )
      .bind(rows, now),
    db
      .prepare(
        `INSERT OR IGNORE INTO email_attachments (email_id, attachment_id)
         SELECT e.id, f.value ->> 'id' FROM ${inserted}`,
      )
      .bind(rows),
  ];
}

/** SQL: the bytes of the files of a row of emails. */
export const sizeOfFiles = (emails: string): string =>
  `iif(${emails}.format >= ${WITH_FILES},
     (SELECT COALESCE(SUM(a.size_bytes), 0) FROM email_attachments AS l
      JOIN attachments AS a ON a.id = l.attachment_id WHERE l.email_id = ${emails}.id), 0)`;

/**
 * A column of a selection: the uploaded files of an email as JSON; NULL if it cannot have any.
 *
 * @param emails the name of the table
 */
export const filesColumn = (emails: string): Column<Json<FileOfEmail[]> | null> =>
  `CASE WHEN ${emails}.format >= ${WITH_FILES} THEN
     (SELECT json_group_array(json_object('id', a.id, 'createdAt', a.created_at,
        'sizeBytes', a.size_bytes, 'filename', a.filename, 'contentType', a.content_type))
      FROM email_attachments AS l JOIN attachments AS a ON a.id = l.attachment_id
      WHERE l.email_id = ${emails}.id) END` as Column<Json<FileOfEmail[]> | null>;
