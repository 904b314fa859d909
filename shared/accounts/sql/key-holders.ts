import { runBatch } from "../../database/batch.ts";
import type { KeyHolder } from "../rules/key-holder.ts";
import { tiers, type AccountTier } from "../rules/schemas.ts";
import { userColumns, userFrom, type UserRow } from "./users.ts";

/** SQL of who has a key. */

type KeyRow = {
  keyId: string;
  owner: string;
  name: string;
  scopes: string;
  role: string | null;
  test: number;
  expiresAt: number | null;
  validUntil: number | null;
};

/** SQL: the keys with the hash `?1`, before a rotation or now. */
const withHash = `(SELECT id FROM api_keys WHERE hash = ?1
  UNION ALL SELECT id FROM api_keys WHERE previous_hash = ?1)`;
const owner = `(SELECT owner FROM api_keys WHERE id IN ${withHash})`;

/** SQL: the place of a tier among `tiers`. */
const place = `CASE u.tier ${tiers.map((tier, n) => `WHEN '${tier}' THEN ${n}`).join(" ")} END`;

/** Reads it at one moment, in one round trip. Null: no such key, or its owner is gone. */
export async function findHolderOf(db: D1Database, hash: string): Promise<KeyHolder | null> {
  const select = (sql: string): D1PreparedStatement => db.prepare(sql).bind(hash);
  const found = await runBatch(db, {
    key: select(
      `SELECT id AS keyId, owner, name, scopes, role, test, expires_at AS expiresAt,
         iif(hash = ?1, NULL, previous_until) AS validUntil
       FROM api_keys WHERE id IN ${withHash}`,
    ),
    user: select(
      `SELECT ${userColumns} FROM users
       WHERE user_id = (SELECT substr(value, 6) FROM (SELECT ${owner} AS value)
                        WHERE value LIKE 'user:%') AND deleted_at IS NULL`,
    ),
    team: select(
      `SELECT t.team_id AS teamId,
         (SELECT MAX(${place}) FROM team_members m CROSS JOIN users u ON u.user_id = m.user_id
          WHERE m.team_id = t.team_id AND m.role = 'owner') AS place
       FROM teams t WHERE t.team_id = (SELECT substr(value, 6) FROM (SELECT ${owner} AS value)
                                       WHERE value LIKE 'team:%')`,
    ),
  });
  const [key] = found.key.results as KeyRow[];
  if (key === undefined) return null;
  const [user] = found.user.results as UserRow[];
  const [team] = found.team.results as { teamId: string; place: number | null }[];
  if (user === undefined && team === undefined && key.owner !== "admin") return null;
  return {
    ...key,
    scopes: JSON.parse(key.scopes) as string[],
    test: key.test === 1,
    user: user === undefined ? null : userFrom(user),
    team: team === undefined ? null : { teamId: team.teamId, tier: tierAt(team.place) },
  };
}

const tierAt = (at: number | null): AccountTier | null =>
  at === null ? null : (tiers[at] ?? null);
