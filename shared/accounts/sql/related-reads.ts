import type * as v from "valibot";
import { permissionsIn, permissionsOf } from "../rules/permissions.ts";
import type {
  permissions,
  Role,
  Scope,
  subscription,
  teams,
  AccountTier,
  usage,
  workspaces,
} from "../rules/schemas.ts";

/** SQL of the related reads of a user. Each returns null if there is no such user. */

type Of<Schema extends v.GenericSchema> = v.InferOutput<Schema>;

const iso = (at: number): string => new Date(at).toISOString();
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

export async function findPermissions(
  db: D1Database,
  userId: string,
): Promise<Of<typeof permissions> | null> {
  const found = await rowsOf<{ teamId: string; role: Role }>(
    db,
    "SELECT team_id AS teamId, role FROM team_members WHERE user_id = ?1 ORDER BY team_id",
    userId,
  );
  if (found === null) return null;
  const { tier, scopes } = found.user;
  const inTeams = found.rows.map((row) => ({ ...row, permissions: permissionsIn(row.role) }));
  return {
    userId,
    tier,
    permissions: permissionsOf(tier, JSON.parse(scopes) as Scope[]),
    teams: inTeams,
  };
}

type SubscriptionRow = {
  tier: AccountTier;
  status: Of<typeof subscription>["status"];
  startedAt: number;
  trialEndsAt: number | null;
  endedAt: number | null;
};

/** The SQL of each read, for the user `?1`, and the conversion of its rows for the API. */
export const selections = {
  subscription: {
    sql: `SELECT tier, status, started_at AS startedAt, trial_ends_at AS trialEndsAt,
            ended_at AS endedAt
          FROM subscriptions JOIN users USING (user_id)
          WHERE user_id = ?1 AND deleted_at IS NULL`,
    view: (
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
    sql: "SELECT metric, amount FROM usage_metrics WHERE user_id = ?1 ORDER BY metric",
    view: (rows: { metric: string; amount: number }[]): Record<string, number> =>
      Object.fromEntries(rows.map(({ metric, amount }) => [metric, amount])),
  },
  teams: {
    sql: `SELECT team_id AS teamId, name, role, joined_at AS joinedAt
          FROM team_members JOIN teams USING (team_id)
          WHERE user_id = ?1 ORDER BY joined_at, team_id`,
    view: (row: { teamId: string; name: string; role: string; joinedAt: number }) => ({
      ...row,
      joinedAt: iso(row.joinedAt),
    }),
  },
  /** Personal workspaces and those of the user's teams, except those of teams they have left. */
  workspaces: {
    sql: `SELECT workspace_id AS workspaceId, name, team_id AS teamId, created_at AS createdAt
          FROM workspaces
          WHERE (owner_id = ?1 AND team_id IS NULL)
            OR team_id IN (SELECT team_id FROM team_members WHERE user_id = ?1)
          ORDER BY created_at, workspace_id`,
    view: (row: {
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

type RowOf<View extends (...parameters: never) => unknown> = Parameters<View>[0];

export async function findSubscription(
  db: D1Database,
  userId: string,
): Promise<Of<typeof subscription> | null> {
  const row = await db.prepare(selections.subscription.sql).bind(userId).first<SubscriptionRow>();
  return row === null ? null : selections.subscription.view(userId, row);
}

export async function findUsage(db: D1Database, userId: string): Promise<Of<typeof usage> | null> {
  const { sql, view } = selections.usage;
  const found = await rowsOf<RowOf<typeof view>[number]>(db, sql, userId);
  return found === null ? null : { userId, usage: view(found.rows) };
}

export async function findTeams(db: D1Database, userId: string): Promise<Of<typeof teams> | null> {
  const { sql, view } = selections.teams;
  const found = await rowsOf<RowOf<typeof view>>(db, sql, userId);
  return found === null ? null : { userId, teams: found.rows.map(view) };
}

export async function findWorkspaces(
  db: D1Database,
  userId: string,
): Promise<Of<typeof workspaces> | null> {
  const { sql, view } = selections.workspaces;
  const found = await rowsOf<RowOf<typeof view>>(db, sql, userId);
  return found === null ? null : { userId, workspaces: found.rows.map(view) };
}
