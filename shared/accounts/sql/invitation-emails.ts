import { countAgain } from "../../database/day-counts.ts";
import type { ExpiringRows } from "../../database/expiring.ts";
import { DAY_MS } from "../../lib/base/clock.ts";

/** SQL of how many emails of invitations a day has, by what limits them: see `countedBy`. */

/** SQL: limits of `?<n>`, JSON of `countedBy`, that have no room at `?<n + 1>`. */
export const reachedLimits = (n: number): string => `json_each(?${n}) AS l
  CROSS JOIN invitation_emails AS c ON c.subject = l.value ->> 'subject'
  WHERE c.counted_from > ?${n + 1} - ${DAY_MS} AND c.emails >= l.value ->> 'most'`;

/** Counts the email of a link that was made in the same batch. */
export function countEmail(
  db: D1Database,
  limits: string,
  tokenHash: string,
  now: number,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO invitation_emails (subject, emails, counted_from)
       SELECT value ->> 'subject', 1, ?3 FROM json_each(?1)
       WHERE EXISTS (SELECT 1 FROM team_invitations WHERE token_hash = ?2)
       ON CONFLICT (subject) DO UPDATE SET ${countAgain("invitation_emails", "emails", "?4")}`,
    )
    .bind(limits, tokenHash, now, now - DAY_MS);
}

/** Counts of emails whose day is over. */
export const oldInvitationCounts: ExpiringRows = {
  table: "invitation_emails",
  key: "subject",
  isOver: "counted_from <= ?1",
};
