import { DAY_MS } from "../../lib/base/clock.ts";

/** SQL of poison messages, which are dead letters without an email. */

export type PoisonMessage = {
  messageId: string;
  reason: string;
  rawBody: string;
  attempts: number;
};

/** Keeps a message that no schema accepts, once per message. */
export async function recordPoison(
  db: D1Database,
  poison: PoisonMessage,
  retentionDays: number,
  now: number,
): Promise<void> {
  await db
    .prepare(
      `INSERT INTO dead_letters (id, kind, reason, attempts, raw_body, buried_at, expires_at)
       VALUES (?1, 'poison', ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING`,
    )
    .bind(
      `poison:${poison.messageId}`,
      poison.reason,
      poison.attempts,
      poison.rawBody,
      now,
      now + retentionDays * DAY_MS,
    )
    .run();
}
