import type { UserExport } from "../rules/schemas.ts";
import { selectLastSeen } from "./activity.ts";
import { selections } from "./related-reads.ts";
import { selectPastUsage, type PastUsage } from "./usage-counters.ts";
import { selectUser, userView, type UserRow } from "./users.ts";

/** SQL of the export of a user's data. */

const MAX_EMAILS = 1_000;
const MAX_USAGE_ROWS = 10_000;

const selectEmails = `SELECT id, subject, status, created_at AS createdAt FROM emails
  WHERE tenant = ?1 ORDER BY created_at DESC, id DESC LIMIT ?2`;

/** All data of a user at one moment. Null: no such user, or deleted. */
export async function findExport(
  db: D1Database,
  userId: string,
  now: number,
): Promise<UserExport | null> {
  const { subscription, usage, teams, workspaces } = selections;
  const select = ({ sql }: { sql: string }): D1PreparedStatement => db.prepare(sql).bind(userId);
  const rows = await readTogether(db, {
    user: selectUser(db, userId),
    seen: selectLastSeen(db, userId),
    subscription: select(subscription),
    usage: select(usage),
    teams: select(teams),
    workspaces: select(workspaces),
    days: selectPastUsage(db, userId, { by: "day", metric: null }, MAX_USAGE_ROWS),
    months: selectPastUsage(db, userId, { by: "month", metric: null }, MAX_USAGE_ROWS),
    emails: db.prepare(selectEmails).bind(`user:${userId}`, MAX_EMAILS),
  });
  const [user] = rows.user as UserRow[];
  if (user === undefined) return null;
  const [seen] = rows.seen as { lastSeenAt: number }[];
  const [subscribed] = rows.subscription as Parameters<typeof subscription.view>[1][];
  const emails = rows.emails as ExportedEmail[];
  return {
    exportedAt: iso(now),
    user: userView(user),
    lastSeenAt: seen === undefined ? null : iso(seen.lastSeenAt),
    subscription: subscribed === undefined ? null : subscription.view(userId, subscribed),
    usage: usage.view(rows.usage as Parameters<typeof usage.view>[0]),
    usageByDay: (rows.days as PastUsage[]).map(({ period, ...rest }) => ({ ...rest, day: period })),
    usageByMonth: (rows.months as PastUsage[]).map(({ period, ...rest }) => ({
      ...rest,
      month: period,
    })),
    teams: (rows.teams as Parameters<typeof teams.view>[0][]).map(teams.view),
    workspaces: (rows.workspaces as Parameters<typeof workspaces.view>[0][]).map(workspaces.view),
    emails: emails.map((email) => ({ ...email, createdAt: iso(email.createdAt) })),
  };
}

type ExportedEmail = { id: string; subject: string; status: string; createdAt: number };

/** Runs named SELECTs in one batch, which D1 answers from one state. */
async function readTogether<Name extends string>(
  db: D1Database,
  statements: Record<Name, D1PreparedStatement>,
): Promise<Record<Name, unknown[]>> {
  const names = Object.keys(statements) as Name[];
  const replies = await db.batch(names.map((name) => statements[name]));
  const rows = names.map((name, n) => [name, replies[n]?.results ?? []] as const);
  return Object.fromEntries(rows) as Record<Name, unknown[]>;
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
