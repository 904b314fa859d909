import type { Cursor } from "../http/lists.ts";

/** SQL of the audit log: what admins did. */

export type AuditEntry = {
  id: string;
  at: number;
  /** Who: an operator's address, or the fingerprint of a token. */
  actor: string;
  operation: string;
  path: string;
  requestId: string;
  /** How it was answered; null if nobody could write that down: it may have taken place. */
  status: number | null;
};

/** Notes what is about to be done. */
export async function beginAudit(db: D1Database, entry: Omit<AuditEntry, "status">): Promise<void> {
  await db
    .prepare(
      "INSERT INTO audit_log (id, at, actor, operation, path, request_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(entry.id, entry.at, entry.actor, entry.operation, entry.path, entry.requestId)
    .run();
}

export async function endAudit(db: D1Database, id: string, status: number): Promise<void> {
  await db.prepare("UPDATE audit_log SET status = ?2 WHERE id = ?1").bind(id, status).run();
}

/** What was refused has changed nothing, and leaves no entry. */
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
       WHERE (at, id) < (?1, ?2) AND ${actor === null ? "?3 IS NULL" : "actor = ?3"} ORDER BY at DESC, id DESC LIMIT ?4`,
    )
    .bind(before?.at ?? Number.MAX_SAFE_INTEGER, before?.id ?? "", actor, limit)
    .all<AuditEntry>();
  return results;
}

/** Deletes some of what is older than `before`: at most `limit`. */
export async function deleteAudit(db: D1Database, before: number, limit: number): Promise<number> {
  const { meta } = await db
    .prepare(
      "DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log WHERE at < ?1 ORDER BY at LIMIT ?2)",
    )
    .bind(before, limit)
    .run();
  return meta.changes;
}
