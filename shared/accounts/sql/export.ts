import type { UserExport } from "../rules/schemas.ts";
import { selectLastSeen } from "./activity.ts";
import { selections } from "./related-reads.ts";
import { selectPastUsage, type PastUsage } from "./usage-counters.ts";
import { selectUser, userView, type UserRow } from "./users.ts";

/** SQL of everything that is kept of a user. */

const MAX_EMAILS = 1_000;
const MAX_USAGE_ROWS = 10_000;

/** Everything at one moment. Null: there is no such user, or not any more. */
export async function findExport(
  db: D1Database,
  userId: string,
  now: number,
): Promise<UserExport | null> {
  const { subscription, usage, teams, workspaces } = selections;
  const select = (sql: string): D1PreparedStatement => db.prepare(sql).bind(userId);
  const answers = await db.batch([
    selectUser(db, userId),
    selectLastSeen(db, userId),
    ...[subscription, usage, teams, workspaces].map(({ sql }) => select(sql)),
    selectPastUsage(db, userId, { by: "day", metric: null }, MAX_USAGE_ROWS),
    selectPastUsage(db, userId, { by: "month", metric: null }, MAX_USAGE_ROWS),
    db
      .prepare(
        "SELECT id, subject, status, created_at AS createdAt FROM emails WHERE tenant = ?1 ORDER BY created_at DESC, id DESC LIMIT ?2",
      )
      .bind(`user:${userId}`, MAX_EMAILS),
  ]);
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the shape of a row follows from its SQL
  const rows = <Row>(n: number): Row[] => (answers[n]?.results ?? []) as Row[];
  const [user] = rows<UserRow>(0);
  if (user === undefined) return null;
  const [seen] = rows<{ lastSeenAt: number }>(1);
  const [subscribed] = rows<Parameters<typeof subscription.view>[1]>(2);
  return {
    exportedAt: iso(now),
    user: userView(user),
    lastSeenAt: seen === undefined ? null : iso(seen.lastSeenAt),
    subscription: subscribed === undefined ? null : subscription.view(userId, subscribed),
    usage: usage.view(rows(3)),
    usageByDay: rows<PastUsage>(6).map(({ metric, period, amount }) => ({
      metric,
      day: period,
      amount,
    })),
    usageByMonth: rows<PastUsage>(7).map(({ metric, period, amount }) => ({
      metric,
      month: period,
      amount,
    })),
    teams: rows<Parameters<typeof teams.view>[0]>(4).map(teams.view),
    workspaces: rows<Parameters<typeof workspaces.view>[0]>(5).map(workspaces.view),
    emails: rows<{ id: string; subject: string; status: string; createdAt: number }>(8).map(
      (mail) => ({
        ...mail,
        createdAt: iso(mail.createdAt),
      }),
    ),
  };
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
