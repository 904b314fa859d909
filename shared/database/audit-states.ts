import type { AuditState } from "./rules/audit-changes.ts";

/**
 * SQL of the objects whose changes the audit log records: nothing secret. The log keeps a hash of
 * an address.
 */

const queries = {
  user: `SELECT tier, scopes, email AS address, api_key_prefix AS apiKeyPrefix,
           suspended_reason AS suspended FROM users WHERE user_id = ?1 AND deleted_at IS NULL`,
  key: `SELECT name, prefix, scopes, role, test, expires_at AS expiresAt,
          previous_until AS previousUntil FROM api_keys WHERE id = ?1`,
  member: "SELECT role FROM team_members WHERE team_id = ?1 AND user_id = ?2",
  team: "SELECT name FROM teams WHERE team_id = ?1",
  workspace: "SELECT name FROM workspaces WHERE workspace_id = ?1",
  email: "SELECT status, generation FROM emails WHERE id = ?1",
  sender: `SELECT identity, tenant, name, transport_order AS transport,
             verified_by AS verifiedBy FROM senders WHERE id = ?1`,
  job: `SELECT schedule, time_zone AS timeZone, overlap, missed, timeout_ms AS timeoutMs,
          paused_at IS NOT NULL AS isPaused FROM jobs WHERE name = ?1`,
  suppression: `SELECT GROUP_CONCAT(text, ', ') AS suppressed FROM (
                  SELECT scope || ' (' || reason || ')' AS text
                  FROM suppressions WHERE address = LOWER(?1)
                  UNION ALL
                  SELECT tenant || iif(tenant = '', '', ' ') || scope || ' (' || reason || ')'
                  FROM scoped_suppressions WHERE address = LOWER(?1))`,
  template: `SELECT published_version AS published, latest_version AS latest
             FROM email_templates WHERE tenant = ?1 AND name = ?2`,
} as const;
export type AuditedObject = keyof typeof queries;

/** The state of an object; null if there is none. */
export async function findState(
  db: D1Database,
  name: AuditedObject,
  ids: readonly string[],
): Promise<AuditState> {
  return await db
    .prepare(queries[name])
    .bind(...ids)
    .first<NonNullable<AuditState>>();
}
