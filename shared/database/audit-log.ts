import type { Cursor } from "../http/lists.ts";
import type { ExpiringRows } from "./expiring.ts";
import type { Change } from "./rules/audit-changes.ts";

/**
 * SQL of the audit log: writes by operators and what operators read about users, and what users do
 * about the security of their accounts.
 */

export type AuditEntry = {
  id: string;
  at: number;
  /** An operator's address, the fingerprint of a token, or `user:<id>`. */
  actor: string;
  operation: string;
  path: string;
  requestId: string;
  /** The status of the answer; null if it could not be written. The operation may have run. */
  status: number | null;
  /** Empty if nothing is known. */
  changes: Change[];
};

/** Writes the entry before the operation runs. */
export async function beginAudit(
  db: D1Database,
  entry: Omit<AuditEntry, "status" | "changes">,
): Promise<void> {
  await db
    .prepare(
      `INSERT INTO audit_log (id, at, actor, operation, path, request_id)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
    )
    .bind(entry.id, entry.at, entry.actor, entry.operation, entry.path, entry.requestId)
    .run();
}

export async function endAudit(
  db: D1Database,
  { id, status, changes }: Pick<AuditEntry, "id" | "status" | "changes">,
): Promise<void> {
  await db
    .prepare("UPDATE audit_log SET status = ?2, changes = ?3 WHERE id = ?1")
    .bind(id, status, stored(changes))
    .run();
}

/** Writes the entry of a request that has been answered, or how one ended that is there. */
export async function insertAudit(db: D1Database, entry: AuditEntry): Promise<void> {
  const { id, at, actor, operation, path, requestId, status, changes } = entry;
  await db
    .prepare(
      `INSERT INTO audit_log (id, at, actor, operation, path, request_id, status, changes)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
       ON CONFLICT (id) DO UPDATE SET status = excluded.status, changes = excluded.changes`,
    )
    .bind(id, at, actor, operation, path, requestId, status, stored(changes))
    .run();
}

/**
 * The statement that writes an entry in the batch of the write itself.
 *
 * @param written `condition`: SQL of whether the write took place, with `bound` as `?1`. If it did
 *   not, the entry has no status yet
 */
export function insertAuditAlong(
  db: D1Database,
  { id, at, actor, operation, path, requestId, status, changes }: AuditEntry,
  { condition, bound }: { condition: string; bound: string },
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO audit_log (id, at, actor, operation, path, request_id, status, changes)
       SELECT ?2, ?3, ?4, ?5, ?6, ?7, iif(${condition}, ?8, NULL), ?9`,
    )
    .bind(bound, id, at, actor, operation, path, requestId, status, stored(changes));
}

/**
 * The statement that writes the entry of a user's act in the batch of the act, if it takes place.
 *
 * @param written `condition`: SQL of whether it does, with `bound` as `?1`
 */
export function insertAuditIf(
  db: D1Database,
  { id, at, actor, operation, path, requestId, status, changes }: AuditEntry,
  { condition, bound }: { condition: string; bound: string },
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO audit_log (id, at, actor, operation, path, request_id, status, changes)
       SELECT ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE ${condition}`,
    )
    .bind(bound, id, at, actor, operation, path, requestId, status, stored(changes));
}

const stored = (changes: Change[]): string | null =>
  changes.length === 0 ? null : JSON.stringify(changes);

/** One page, newest first. */
export async function findAuditEntries(
  db: D1Database,
  actor: string | null,
  before: Cursor | null,
  limit: number,
): Promise<AuditEntry[]> {
  const { results } = await db
    .prepare(
      `SELECT id, at, actor, operation, path, request_id AS requestId, status, changes
       FROM audit_log
       WHERE (at, id) < (?1, ?2) AND ${actor === null ? "?3 IS NULL" : "actor = ?3"}
       ORDER BY at DESC, id DESC LIMIT ?4`,
    )
    .bind(before?.at ?? Number.MAX_SAFE_INTEGER, before?.id ?? "", actor, limit)
    .all<Omit<AuditEntry, "changes"> & { changes: string | null }>();
  return results.map(({ changes, ...entry }) => ({
    ...entry,
    changes: changes === null ? [] : (JSON.parse(changes) as Change[]),
  }));
}

/** Deletes at most `limit` entries older than `before`. */
/** Entries of before a time. */
export const oldAudit: ExpiringRows = { table: "audit_log", key: "id", isOver: "at < ?1" };
