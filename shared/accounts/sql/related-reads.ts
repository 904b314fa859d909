import type * as v from "valibot";
import { runBatch } from "../../database/batch.ts";
import { iso } from "../../http/time.ts";
import { permissionsIn } from "../rules/permissions.ts";
import type { Role, subscription, teams, AccountTier, workspaces } from "../rules/schemas.ts";
import { selectUser } from "./users.ts";

/**
 * SQL of the related reads of a user. Each returns null if there is no such user. `account.ts` has
 * those that nearly every request needs.
 */

type Of<Schema extends v.GenericSchema> = v.InferOutput<Schema>;

/** The newest of the teams that a user was added to and has not confirmed. */
const MAX_PENDING_SHOWN = 100;

const isoOrNull = (at: number | null): string | null => (at === null ? null : iso(at));

/** Rows of a user, read with the user, to distinguish an empty list from no such user. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the SQL gives the row type
async function rowsOf<Row>(
  db: D1Database,
  sql: string,
  userId: string,
): Promise<{ user: { tier: AccountTier; scopes: string }; rows: Row[] } | null> {
  const [users, rows] = await db.batch([
    db
      .prepare("SELECT tier, scopes FROM users WHERE user_id = ?1 AND deleted_at IS NULL")
      .bind(userId),
    db.prepare(sql).bind(userId),
  ]);
  const user = users?.results[0] as { tier: AccountTier; scopes: string } | undefined;
  return user === undefined ? null : { user, rows: (rows?.results ?? []) as Row[] };
}

export type SubscriptionRow = {
  tier: AccountTier;
  status: Of<typeof subscription>["status"];
  startedAt: number;
  trialEndsAt: number | null;
  endedAt: number | null;
};

/**
 * The SQL of each read, for the user with the id `owner`, and the conversion of its rows for the
 * API.
 */
export const selections = {
  memberships: {
    sql: (owner = "?1") =>
      `SELECT team_id AS teamId, role FROM team_members WHERE user_id = ${owner} ORDER BY team_id`,
    convert: (row: { teamId: string; role: Role }) => ({
      ...row,
      permissions: permissionsIn(row.role),
    }),
  },
  subscription: {
    sql: (
      owner = "?1",
    ) => `SELECT tier, status, started_at AS startedAt, trial_ends_at AS trialEndsAt,
            ended_at AS endedAt
          FROM subscriptions JOIN users USING (user_id)
          WHERE user_id = ${owner} AND deleted_at IS NULL`,
    convert: (
      userId: string,
      { startedAt, trialEndsAt, endedAt, ...rest }: SubscriptionRow,
    ): Of<typeof subscription> => ({
      userId,
      ...rest,
      startedAt: iso(startedAt),
      trialEndsAt: isoOrNull(trialEndsAt),
      endedAt: isoOrNull(endedAt),
    }),
  },
  usage: {
    // An earlier release created two counters at zero that nothing counts.
    sql: (owner = "?1") => `SELECT metric, amount FROM usage_metrics
          WHERE user_id = ${owner} AND (amount > 0 OR metric NOT IN ('apiRequests', 'storageBytes'))
          ORDER BY metric`,
    convert: (rows: { metric: string; amount: number }[]): Record<string, number> =>
      Object.fromEntries(rows.map(({ metric, amount }) => [metric, amount])),
  },
  teams: {
    sql: () => `SELECT team_id AS teamId, name, role, joined_at AS joinedAt
          FROM team_members JOIN teams USING (team_id)
          WHERE user_id = ?1 ORDER BY joined_at, team_id`,
    convert: (row: { teamId: string; name: string; role: string; joinedAt: number }) => ({
      ...row,
      joinedAt: iso(row.joinedAt),
    }),
  },
  pending: {
    sql: () => `SELECT team_id AS teamId, name, added_at AS addedAt, expires_at AS expiresAt
          FROM pending_members JOIN teams USING (team_id)
          WHERE user_id = ?1 ORDER BY added_at DESC, team_id LIMIT ${MAX_PENDING_SHOWN}`,
    convert: (row: { teamId: string; name: string; addedAt: number; expiresAt: number }) => ({
      ...row,
      addedAt: iso(row.addedAt),
      expiresAt: iso(row.expiresAt),
    }),
  },
  /** Personal workspaces and those of the user's teams, except those of teams they have left. */
  workspaces: {
    sql: () => `SELECT workspace_id AS workspaceId, name, team_id AS teamId, created_at AS createdAt
          FROM workspaces
          WHERE (owner_id = ?1 AND team_id IS NULL)
            OR team_id IN (SELECT team_id FROM team_members WHERE user_id = ?1)
          ORDER BY created_at, workspace_id`,
    convert: (row: {
      workspaceId: string;
      name: string;
      teamId: string | null;
      createdAt: number;
    }) => ({
      ...row,
      createdAt: iso(row.createdAt),
    }),
  },
};

type RowOf<Convert extends (...parameters: never) => unknown> = Parameters<Convert>[0];

export async function findTeams(db: D1Database, userId: string): Promise<Of<typeof teams> | null> {
  const select = (sql: string): D1PreparedStatement => db.prepare(sql).bind(userId);
  const found = await runBatch(db, {
    user: selectUser(db, userId),
    teams: select(selections.teams.sql()),
    pending: select(selections.pending.sql()),
  });
  if (found.user.results.length === 0) return null;
  return {
    userId,
    teams: (found.teams.results as RowOf<typeof selections.teams.convert>[]).map(
      selections.teams.convert,
    ),
    pending: (found.pending.results as RowOf<typeof selections.pending.convert>[]).map(
      selections.pending.convert,
    ),
  };
}

export async function findWorkspaces(
  db: D1Database,
  userId: string,
): Promise<Of<typeof workspaces> | null> {
  const { sql, convert } = selections.workspaces;
  const found = await rowsOf<RowOf<typeof convert>>(db, sql(), userId);
  return found === null ? null : { userId, workspaces: found.rows.map(convert) };
}
