import { ADMIN_TENANT, SYSTEM_TENANT } from "../../email/outbox.ts";
import { PRODUCER_TENANT } from "../../email/outbox.ts";
import { MAX_TEMPLATES, type StoredTemplate } from "../../email/sql/templates.ts";
import { tenantOfUser } from "../rules/keys.ts";
import type { UserExport } from "../rules/schemas.ts";
import { selectLastSeen } from "./activity.ts";
import { selectAddressChange } from "./address-changes.ts";
import {
  selectInvitations,
  selectSentInvitations,
  type ReceivedInvitation,
  type SentInvitation,
} from "./answered-invitations.ts";
import { selections } from "./related-reads.ts";
import { selectPastUsage, type PastUsage } from "./usage-counters.ts";
import { selectUser, userFrom, type UserRow } from "./users.ts";

/** SQL of the export of a user's data. */

const MAX_EMAILS = 1_000;
const MAX_SENDERS = 1_000;
const MAX_INVITATIONS = 1_000;
const MAX_USAGE_ROWS = 10_000;

const selectEmails = `SELECT id, subject, status, created_at AS createdAt FROM emails
  WHERE tenant = ?1 ORDER BY created_at DESC, id DESC LIMIT ?2`;

const selectSenders = `SELECT identity AS sender, name, created_at AS createdAt,
    verified_at AS verifiedAt FROM senders
  WHERE tenant = ?1 ORDER BY created_at DESC, id DESC LIMIT ?2`;

const selectTemplates = `SELECT name, published_version AS publishedVersion,
    latest_version AS latestVersion, created_at AS createdAt, updated_at AS updatedAt
  FROM email_templates WHERE tenant = ?1 ORDER BY name LIMIT ${MAX_TEMPLATES}`;

/** Not what other users sent to this address, which is theirs, nor what has not left. */
const selectReceived = `SELECT e.id, e.subject, e.status, e.created_at AS createdAt
  FROM users AS u CROSS JOIN email_recipients AS r CROSS JOIN emails AS e ON e.id = r.email_id
  WHERE u.user_id = ?1 AND LOWER(r.address) = u.email
    AND r.tenant IN ('${ADMIN_TENANT}', '${SYSTEM_TENANT}', '${PRODUCER_TENANT}')
    AND e.status IN ('sent', 'delivered', 'bounced', 'complained')
  ORDER BY r.created_at DESC, r.email_id DESC LIMIT ?2`;

/** All data of a user at one moment. Null: no such user, or deleted. */
export async function findExport(
  db: D1Database,
  userId: string,
  now: number,
): Promise<UserExport | null> {
  const { subscription, usage, teams, pending, workspaces } = selections;
  const select = ({ sql }: { sql: () => string }): D1PreparedStatement =>
    db.prepare(sql()).bind(userId);
  const all = { metric: null, after: null };
  const rows = await readTogether(db, {
    user: selectUser(db, userId),
    seen: selectLastSeen(db, userId),
    change: selectAddressChange(db, userId),
    subscription: select(subscription),
    usage: select(usage),
    teams: select(teams),
    pending: select(pending),
    workspaces: select(workspaces),
    days: selectPastUsage(db, userId, { by: "day", ...all }, MAX_USAGE_ROWS),
    months: selectPastUsage(db, userId, { by: "month", ...all }, MAX_USAGE_ROWS),
    invitations: selectInvitations(db, userId, now),
    invitationsSent: selectSentInvitations(db, userId, MAX_INVITATIONS),
    senders: db.prepare(selectSenders).bind(tenantOfUser(userId), MAX_SENDERS),
    templates: db.prepare(selectTemplates).bind(tenantOfUser(userId)),
    emails: db.prepare(selectEmails).bind(tenantOfUser(userId), MAX_EMAILS),
    received: db.prepare(selectReceived).bind(userId, MAX_EMAILS),
  });
  const [user] = rows.user as UserRow[];
  if (user === undefined) return null;
  const [seen] = rows.seen as { lastSeenAt: number }[];
  const [change] = rows.change as AddressChangeRow[];
  const [subscribed] = rows.subscription as Parameters<typeof subscription.convert>[1][];
  return {
    exportedAt: iso(now),
    user: userFrom(user),
    lastSeenAt: seen === undefined ? null : iso(seen.lastSeenAt),
    addressChange: change === undefined ? null : addressChangeFrom(change),
    subscription: subscribed === undefined ? null : subscription.convert(userId, subscribed),
    usage: usage.convert(rows.usage as Parameters<typeof usage.convert>[0]),
    usageByDay: (rows.days as PastUsage[]).map(({ period, ...rest }) => ({ ...rest, day: period })),
    usageByMonth: (rows.months as PastUsage[]).map(({ period, ...rest }) => ({
      ...rest,
      month: period,
    })),
    teams: (rows.teams as Parameters<typeof teams.convert>[0][]).map(teams.convert),
    pendingTeams: (rows.pending as Parameters<typeof pending.convert>[0][]).map(pending.convert),
    workspaces: (rows.workspaces as Parameters<typeof workspaces.convert>[0][]).map(
      workspaces.convert,
    ),
    invitations: (rows.invitations as ReceivedInvitation[]).map(
      ({ id: _id, teamName: name, createdAt, expiresAt, ...one }) => ({
        ...one,
        name,
        createdAt: iso(createdAt),
        expiresAt: iso(expiresAt),
      }),
    ),
    invitationsSent: (rows.invitationsSent as SentInvitation[]).map(({ createdAt, ...one }) => ({
      ...one,
      createdAt: iso(createdAt),
    })),
    senders: (rows.senders as ExportedSender[]).map(senderFrom),
    templates: (rows.templates as ExportedTemplate[]).map(templateFrom),
    emails: (rows.emails as ExportedEmail[]).map(emailFrom),
    emailsReceived: (rows.received as ExportedEmail[]).map(emailFrom),
  };
}

type AddressChangeRow = { email: string; requestedAt: number; expiresAt: number };

const addressChangeFrom = ({ email, requestedAt, expiresAt }: AddressChangeRow) => ({
  email,
  requestedAt: iso(requestedAt),
  expiresAt: iso(expiresAt),
});

type ExportedSender = {
  sender: string;
  name: string | null;
  createdAt: number;
  verifiedAt: number | null;
};

const senderFrom = ({ createdAt, verifiedAt, ...row }: ExportedSender) => ({
  ...row,
  createdAt: iso(createdAt),
  verifiedAt: verifiedAt === null ? null : iso(verifiedAt),
});

type ExportedTemplate = Omit<StoredTemplate, "tenant">;

const templateFrom = ({ createdAt, updatedAt, ...row }: ExportedTemplate) => ({
  ...row,
  createdAt: iso(createdAt),
  updatedAt: iso(updatedAt),
});

type ExportedEmail = { id: string; subject: string; status: string; createdAt: number };

const emailFrom = (email: ExportedEmail) => ({ ...email, createdAt: iso(email.createdAt) });

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
