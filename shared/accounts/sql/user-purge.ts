import { insertPurgeSql } from "../../database/purge-outbox/pending-purges.ts";
import { apiKeyKey, emailKey, userKey } from "../rules/keys.ts";

/** The cache purge that a write adds to its own batch. `purgeId`: the id of the purge. */
export type WithPurge = { purgeId: string; now: number };

type PurgedUser = { userId: string; newNames?: readonly string[]; furtherTags?: string };

/**
 * A statement that adds the purge of a user's cache entries, for the batch of a write to the user
 * and before its other statements. It purges the user's id, email and key as they are before the
 * write, also beside concurrent writes. Without such a user it adds nothing.
 *
 * @param newNames tags of the user's new email or key
 * @param furtherTags SQL that selects more tags, with the user as `?2`
 * @param condition SQL over the row of `users` that the write requires, too
 */
export function insertUserPurge(
  db: D1Database,
  { userId, newNames = [], furtherTags }: PurgedUser,
  { purgeId, now }: WithPurge,
  condition = "TRUE",
): D1PreparedStatement {
  return db
    .prepare(
      insertPurgeSql({
        id: "?1",
        tags: `(SELECT json_group_array(value) FROM (
          SELECT value
          FROM json_each(json_array(?4 || user_id, ?5 || email, ?6 || api_key_hash))
          WHERE value IS NOT NULL
          UNION SELECT value FROM json_each(?3)
          ${furtherTags === undefined ? "" : `UNION ${furtherTags}`}))`,
        createdAt: "?7",
        from: `FROM users WHERE user_id = ?2 AND deleted_at IS NULL AND ${condition}
          RETURNING tags`,
      }),
    )
    .bind(purgeId, userId, JSON.stringify(newNames), userKey(""), emailKey(""), apiKeyKey(""), now);
}

/** The tags that a purge added, from the reply of its statement. */
export function tagsOfPurge(reply: D1Result): string[] {
  const row = reply.results[0] as { tags: string } | undefined;
  return row === undefined ? [] : (JSON.parse(row.tags) as string[]);
}
