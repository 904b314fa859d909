import { insertPurgeSql } from "../../database/purge-outbox/pending-purges.ts";
import { apiKeyKey, emailKey, userKey } from "../rules/keys.ts";

/** The cache purge that a write adds to its own batch. `intentId`: the id of the purge. */
export type WithPurge = { intentId: string; now: number };

/**
 * A statement that adds the purge of a user's cache entries, for the batch of a write to the user
 * and before its other statements. It purges the user's id, email and key as they are before the
 * write, also beside concurrent writes. Without such a user it adds nothing.
 *
 * @param newNames tags of the user's new email or key
 * @param condition SQL over the row of `users` that the write requires, too
 */
export function insertUserPurge(
  db: D1Database,
  { userId, newNames = [] }: { userId: string; newNames?: readonly string[] },
  { intentId, now }: WithPurge,
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
          UNION SELECT value FROM json_each(?3)))`,
        createdAt: "?7",
        from: `FROM users WHERE user_id = ?2 AND deleted_at IS NULL AND ${condition}`,
      }),
    )
    .bind(
      intentId,
      userId,
      JSON.stringify(newNames),
      userKey(""),
      emailKey(""),
      apiKeyKey(""),
      now,
    );
}
