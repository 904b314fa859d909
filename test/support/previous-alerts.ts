import type { AlertCondition } from "../../shared/alerts/rules/evaluate.ts";

/**
 * How the release before flapping alerts evaluated a condition, frozen. It runs beside this one
 * during a rollout, and again after a rollback. It has neither breaks nor flapping.
 */

type Row = {
  holdsSince: number | null;
  firedAt: number | null;
  remindedAt: number | null;
  summary: string;
  revision: number;
};

export async function recordCondition(
  db: D1Database,
  { key, holds, forMs, summary }: AlertCondition,
  { now, id }: { now: number; id: string },
): Promise<void> {
  const before = await db
    .prepare(
      `SELECT holds_since AS holdsSince, fired_at AS firedAt, reminded_at AS remindedAt,
              summary, revision FROM alerts WHERE key = ?1`,
    )
    .bind(key)
    .first<Row>();
  const since = holds ? Math.min(before?.holdsSince ?? now, now) : null;
  const fires = since !== null && (before?.firedAt ?? null) === null && now - since >= forMs;
  const firedAt = fires ? now : holds ? (before?.firedAt ?? null) : null;
  const isOver = !holds && (before?.firedAt ?? null) !== null;
  const notice = isOver ? "recovered" : fires ? "fired" : null;
  if (notice === null && since === (before?.holdsSince ?? null)) return;
  await db.batch([
    ...(notice === null
      ? []
      : [
          db
            .prepare(
              "INSERT INTO alert_notices (id, key, kind, summary, at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .bind(id, key, notice, summary, now),
        ]),
    db
      .prepare(
        `INSERT INTO alerts (key, holds_since, fired_at, reminded_at, summary, revision)
         VALUES (?1, ?2, ?3, NULL, ?4, ?5)
         ON CONFLICT (key) DO UPDATE SET holds_since = excluded.holds_since,
           fired_at = excluded.fired_at, reminded_at = excluded.reminded_at,
           summary = excluded.summary, revision = excluded.revision`,
      )
      .bind(key, since, firedAt, summary, (before?.revision ?? 0) + 1),
  ]);
}
