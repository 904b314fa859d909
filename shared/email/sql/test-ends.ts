import type { EndOfTest } from "../rules/test-recipients.ts";
import { nextEvent } from "./events.ts";

/** SQL of how emails to recipients of tests end, once they are recorded as sent. */

const sentOnes = `json_each(?1) AS t CROSS JOIN emails AS e ON e.id = t.value ->> 'id'
  AND e.generation = t.value ->> 'generation'
  AND (e.status = 'sent' OR (e.status = 'dead' AND t.value ->> 'status' IS NULL))`;

/**
 * Emails with one recipient end as that does. Of several each has a state of its own, also where
 * another one has refused the email, which is dead then.
 */
export function recordTestEnds(
  db: D1Database,
  ends: readonly EndOfTest[],
  now: number,
): D1PreparedStatement[] {
  const rows = JSON.stringify(ends);
  return [
    db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at, detail)
         SELECT e.id, ${nextEvent("e.id")}, e.generation, t.value ->> 'status', ?2,
           t.value ->> 'detail' FROM ${sentOnes} WHERE t.value ->> 'status' IS NOT NULL`,
      )
      .bind(rows, now),
    db
      .prepare(
        `UPDATE emails SET status = t.status, updated_at = ?2
         FROM (SELECT e.id AS id, t.value ->> 'status' AS status FROM ${sentOnes}
               WHERE t.value ->> 'status' IS NOT NULL) AS t
         WHERE emails.id = t.id`,
      )
      .bind(rows, now),
    db
      .prepare(
        `UPDATE email_recipients SET status = t.state
         FROM (SELECT e.id AS id, r.value ->> 'n' AS n, r.value ->> 'state' AS state
               FROM ${sentOnes} CROSS JOIN json_each(t.value -> 'recipients') AS r) AS t
         WHERE email_recipients.email_id = t.id AND email_recipients.n = t.n`,
      )
      .bind(rows),
  ];
}
