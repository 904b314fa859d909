/** SQL of the alerts that D1 had no room to record, in the watchdog's storage. */

/** `since`: when D1 first could not record it. `notifiedAt`: null until the webhook took it. */
export type Unrecorded = {
  key: string;
  summary: string;
  since: number;
  notifiedAt: number | null;
};

export function createUnrecordedTable(sql: SqlStorage): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS unrecorded_alerts (
    key TEXT PRIMARY KEY, summary TEXT NOT NULL, since INTEGER NOT NULL, notified_at INTEGER
  ) STRICT, WITHOUT ROWID`);
}

export function readUnrecorded(sql: SqlStorage): Unrecorded[] {
  return sql
    .exec<Unrecorded>(
      `SELECT key, summary, since, notified_at AS notifiedAt FROM unrecorded_alerts ORDER BY key`,
    )
    .toArray();
}

/** Keeps since when it could not be recorded. */
export function saveUnrecorded(
  sql: SqlStorage,
  { key, summary }: Pick<Unrecorded, "key" | "summary">,
  now: number,
): void {
  sql.exec(
    `INSERT INTO unrecorded_alerts (key, summary, since) VALUES (?1, ?2, ?3)
     ON CONFLICT (key) DO UPDATE SET summary = ?2`,
    key,
    summary,
    now,
  );
}

export function markUnrecordedNotified(sql: SqlStorage, key: string, now: number): void {
  sql.exec("UPDATE unrecorded_alerts SET notified_at = ?2 WHERE key = ?1", key, now);
}

export function forgetUnrecorded(sql: SqlStorage, key: string): void {
  sql.exec("DELETE FROM unrecorded_alerts WHERE key = ?1", key);
}
