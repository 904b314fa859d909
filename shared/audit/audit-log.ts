import type { Cursor } from "../http/lists.ts";

/** SQL of the audit log: writes by admins. */

export type AuditEntry = {
  id: string;
  at: number;
  /** An operator's address, or the fingerprint of a token. */
  actor: string;
  operation: string;
  path: string;
  requestId: string;
  /** The status of the answer; null if it could not be written. The operation may have run. */
  status: number | null;
};

/** Writes the entry before the operation runs. */
export async function beginAudit(db: D1Database, entry: Omit<AuditEntry, "status">): Promise<void> {
  await db
    .prepare(
      `INSERT INTO audit_log (id, at, actor, operation, path, request_id)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
    )
    .bind(entry.id, entry.at, entry.actor, entry.operation, entry.path, entry.requestId)
    .run();
}

export async function endAudit(db: D1Database, id: string, status: number): Promise<void> {
  await db.prepare("UPDATE audit_log SET status = ?2 WHERE id = ?1").bind(id, status).run();
}

/** A refused write has changed nothing and leaves no entry. */
export async function dropAudit(db: D1Database, id: string): Promise<void> {
  await db.prepare("DELETE FROM audit_log WHERE id = ?1").bind(id).run();
}

/** One page, newest first. */
export async function listAudit(
  db: D1Database,
  actor: string | null,
  before: Cursor | null,
  limit: number,
): Promise<AuditEntry[]> {
  const { results } = await db
    .prepare(
      `SELECT id, at, actor, operation, path, request_id AS requestId, status FROM audit_log
       WHERE (at, id) < (?1, ?2) AND ${actor === null ? "?3 IS NULL" : "actor = ?3"}
       ORDER BY at DESC, id DESC LIMIT ?4`,
    )
    .bind(before?.at ?? Number.MAX_SAFE_INTEGER, before?.id ?? "", actor, limit)
    .all<AuditEntry>();
  return results;
}

/** Deletes at most `limit` entries older than `before`. */
export async function deleteAudit(db: D1Database, before: number, limit: number): Promise<number> {
  const { meta } = await db
    .prepare(
      `DELETE FROM audit_log
       WHERE id IN (SELECT id FROM audit_log WHERE at < ?1 ORDER BY at LIMIT ?2)`,
    )
    .bind(before, limit)
    .run();
  return meta.changes;
}
