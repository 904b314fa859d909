import * as account from "../../../shared/accounts/sql/account.ts";
import * as activity from "../../../shared/accounts/sql/activity.ts";
import * as changes from "../../../shared/accounts/sql/address-changes.ts";
import * as answers from "../../../shared/accounts/sql/answered-invitations.ts";
import * as deletion from "../../../shared/accounts/sql/deletion.ts";
import * as exports from "../../../shared/accounts/sql/export.ts";
import { oldInvitationCounts } from "../../../shared/accounts/sql/invitation-emails.ts";
import * as invitations from "../../../shared/accounts/sql/invitations.ts";
import * as pending from "../../../shared/accounts/sql/pending-members.ts";
import * as related from "../../../shared/accounts/sql/related-reads.ts";
import * as members from "../../../shared/accounts/sql/team-members.ts";
import * as teams from "../../../shared/accounts/sql/teams.ts";
import * as addresses from "../../../shared/accounts/sql/trial-addresses.ts";
import * as trials from "../../../shared/accounts/sql/trials.ts";
import * as counters from "../../../shared/accounts/sql/usage-counters.ts";
import * as reports from "../../../shared/accounts/sql/usage-reports.ts";
import * as rollUp from "../../../shared/accounts/sql/usage-roll-up.ts";
import * as users from "../../../shared/accounts/sql/users.ts";
import * as workspaces from "../../../shared/accounts/sql/workspaces.ts";
import { insertAuditIf } from "../../../shared/database/audit-log.ts";
import { rowsThatAreOver } from "../../../shared/database/expiring.ts";
import * as accept from "../../../shared/email/sql/accept.ts";
import { expiring, LIMIT, now, own, type Cases } from "./cases.ts";

/** The statements of `shared/accounts/sql`, except those of lists. */

const { user, other, team, workspace, address } = own;
const entry = {
  id: "entry-of-a-user",
  at: now,
  actor: "user:ada",
  operation: "confirmAddress",
  path: "/",
  requestId: "r",
  status: 200,
  changes: [],
};
const purge = (): { purgeId: string; now: number } => ({ purgeId: crypto.randomUUID(), now });
const key = (name: string) => ({ key: `luna_${name}`, hash: `hash-${name}`, prefix: "prefix" });
const notice = (db: D1Database, source: accept.EmailSource): D1PreparedStatement[] =>
  accept.insertEmail(
    db,
    {
      id: crypto.randomUUID(),
      tenant: "system",
      from: "a@b.cc",
      to: address,
      subject: "Notice",
      text: "Hi",
      onUnknown: "hold",
    },
    now,
    source,
  );
const noticeTo = (db: D1Database, condition = "TRUE"): D1PreparedStatement[] =>
  notice(db, {
    to: "email",
    from: `users WHERE user_id = $1 AND deleted_at IS NULL AND ${condition}`,
    values: [user],
  });
const request = { userId: user, email: "new@example.com", tokenHash: "token" };

export const ofUsers: Cases = {
  insertUser: (db) =>
    db.batch(
      users.insertUser(
        db,
        {
          userId: crypto.randomUUID(),
          email: `${crypto.randomUUID()}@example.com`,
          subscription: { status: "active", tier: "free", trialEndsAt: null },
        },
        key(crypto.randomUUID()),
        now,
      ),
    ),
  "findUserBy: userId": (db) => users.findUserBy(db, { by: "userId", value: user }),
  "findUserBy: email": (db) => users.findUserBy(db, { by: "email", value: address }),
  "findUserBy: apiKeyHash": (db) => users.findUserBy(db, { by: "apiKeyHash", value: "hash" }),
  saveUser: (db) =>
    users.saveUser(
      db,
      user,
      { email: address, tier: "pro", scopes: [] },
      { ...purge(), notice: noticeTo(db) },
    ),
  replaceApiKey: (db) =>
    users.replaceApiKey(
      db,
      user,
      { key: key(user), replacedPrefix: "prefix" },
      { ...purge(), notice: [] },
    ),
  deleteApiKey: (db) =>
    users.deleteApiKey(db, other, { ...purge(), notice: [], cancelUnsent: true }),
  findRevocation: (db) => users.findRevocation(db, other, { now, cancelUnsent: true }),
  findNames: (db) => users.findNames(db, user),
  "findAccount: userId": (db) => account.findAccount(db, { by: "userId", value: user }),
  "findAccount: email": (db) => account.findAccount(db, { by: "email", value: address }),
  "findAccount: apiKeyHash": (db) => account.findAccount(db, { by: "apiKeyHash", value: "h" }),
  findTeams: (db) => related.findTeams(db, user),
  findWorkspaces: (db) => related.findWorkspaces(db, user),
  findExport: (db) => exports.findExport(db, user, now),
  noteSeen: (db) => activity.noteSeen(db, user, now),
  activeUsers: (db) => activity.activeUsers(db, now - 86_400_000, LIMIT),
  saveDeletion: (db) =>
    deletion.saveDeletion(db, own.gone, {
      ...purge(),
      notice: noticeTo(db, `NOT ${deletion.isLastOwner}`),
    }),
  findDeletion: (db) => deletion.findDeletion(db, own.gone, purge()),
};

const { requestSources } = changes;
export const ofAddressChanges: Cases = {
  saveAddressRequest: (db) =>
    changes.saveAddressRequest(
      db,
      request,
      {
        owner: notice(db, requestSources.owner(request.tokenHash, now)),
        newAddress: notice(db, requestSources.newAddress(request.tokenHash)),
        oldAddress: notice(db, requestSources.oldAddress(request.tokenHash)),
      },
      now,
    ),
  isRequested: (db) => changes.isRequested(db, request.tokenHash),
  findAddressRequest: (db) => changes.findAddressRequest(db, request.tokenHash, now),
  saveConfirmedAddress: (db) =>
    changes.saveConfirmedAddress(
      db,
      request,
      notice(db, changes.confirmationSource(request.tokenHash, now)),
      purge(),
    ),
  whileOpen: (db) =>
    db.batch([insertAuditIf(db, entry, changes.whileOpen(request.tokenHash, now))]),
  ...expiring("expiredRequests", changes.expiredRequests),
};

const memberFacts = {
  actor: { userId: user, tier: "pro" as const, role: "owner" as const, pending: 0 },
  target: { userId: other, exists: true, role: null, pending: false, teams: 0 },
  team: { exists: true, owners: 1, members: 1, pending: 0 },
};
const managing = { actor: { userId: user, role: "owner" as const }, exists: true };
const workspaceFacts = {
  actor: { userId: user, role: "owner" as const },
  workspace: { ownerId: user, teamId: team },
};

const keyed = {
  tenant: `user:${user}`,
  operation: "addUsage",
  key: "k",
  requestHash: "h",
  requestId: "r",
};
/** A key of its own for each run. */
const keyedBy = (operation: string) => ({ ...keyed, operation, key: crypto.randomUUID() });

export const ofTeams: Cases = {
  findTeam: (db) => teams.findTeam(db, team, now),
  findCreatorFacts: (db) => teams.findCreatorFacts(db, user),
  insertTeam: (db) =>
    teams.insertTeam(
      db,
      { teamId: "team-2", name: "Two", ownerId: user },
      { tier: "pro", teams: 1 },
      { ...purge(), keyed: keyedBy("createTeam") },
    ),
  findManagerFacts: (db) => teams.findManagerFacts(db, team, user),
  saveTeamName: (db) =>
    teams.saveTeamName(db, { teamId: team, name: "New", nameAsRead: null }, managing, purge()),
  eraseTeam: (db) => teams.eraseTeam(db, "team-2", managing, purge()),
  findMember: (db) => members.findMember(db, team, user),
  findMemberFacts: (db) =>
    members.findMemberFacts(db, { teamId: team, actorId: user, targetId: other }, now),
  addPending: (db) => pending.addPending(db, team, memberFacts, purge()),
  findPending: (db) => pending.findPending(db, team, other, now),
  findConfirmationFacts: (db) => pending.findConfirmationFacts(db, team, other, now),
  saveConfirmation: (db) => pending.saveConfirmation(db, team, other, purge()),
  saveMember: (db) =>
    members.saveMember(db, { teamId: team, role: "member" }, memberFacts, purge()),
  deleteMember: (db) => members.deleteMember(db, team, memberFacts, purge()),
  ...expiring("expiredPending", pending.expiredPending),
  findNewWorkspaceFacts: (db) => workspaces.findNewWorkspaceFacts(db, user, team),
  insertWorkspace: (db) =>
    workspaces.insertWorkspace(
      db,
      { workspaceId: "workspace-2", ownerId: user, name: "Two", teamId: team },
      { tier: "pro", workspaces: 1, role: "owner", inTeam: 1 },
      { ...purge(), keyed: keyedBy("createWorkspace") },
    ),
  findWorkspace: (db) => workspaces.findWorkspace(db, workspace),
  findWritten: (db) => workspaces.findWritten(db, workspace, "Desk", "p"),
  findWorkspaceFacts: (db) => workspaces.findWorkspaceFacts(db, workspace, user),
  saveWorkspaceName: (db) =>
    workspaces.saveWorkspaceName(
      db,
      { workspaceId: workspace, name: "Desk" },
      workspaceFacts,
      purge(),
    ),
  eraseWorkspace: (db) => workspaces.eraseWorkspace(db, "workspace-2", workspaceFacts, purge()),
  findDeletedWorkspace: (db) => workspaces.findDeletedWorkspace(db, workspace, "p"),
};

const inviting = { teamId: team, inviterId: user, email: "new@example.com" };
const inviterFacts = {
  actor: { userId: user, role: "owner" as const, tier: "pro" as const },
  team: { exists: true, members: 1 },
  open: 0,
  replaced: null,
  reached: [],
};
const invitation = { id: "inv_own", teamId: team, userId: other, role: "member" as const };
const link = { by: "link" as const, tokenHash: "link" };

export const ofInvitations: Cases = {
  findInviterFacts: (db) => invitations.findInviterFacts(db, inviting, now),
  saveInvitation: (db) =>
    invitations.saveInvitation(
      db,
      { ...inviting, id: "inv_own", role: "member", tokenHash: "link", expiresAt: now + 1 },
      inviterFacts,
      { notice: notice(db, invitations.invitationSource("link")), now, keyed: null },
    ),
  "saveInvitation: keyed": (db) =>
    invitations.saveInvitation(
      db,
      { ...inviting, id: "inv_own", role: "member", tokenHash: "link", expiresAt: now + 1 },
      inviterFacts,
      { notice: [], now, keyed: keyedBy("createInvitation") },
    ),
  "findSentInvitation: by its id": (db) => invitations.findSentInvitation(db, "id", "inv_own", now),
  "findSentInvitation: by its link": (db) =>
    invitations.findSentInvitation(db, "token_hash", "link", now),
  findRevocationFacts: (db) =>
    invitations.findRevocationFacts(db, { teamId: team, id: "inv_own", actorId: user }, now),
  saveRevocation: (db) =>
    invitations.saveRevocation(
      db,
      { teamId: team, id: "inv_own" },
      { actor: inviterFacts.actor, teamExists: true, invitation: null },
      now,
    ),
  "findInvitation: by its link": (db) => answers.findInvitation(db, link, now),
  "findInvitation: by the link of a user": (db) =>
    answers.findInvitation(db, { ...link, by: "link-of-user", userId: other }, now),
  "findInvitation: by its id": (db) =>
    answers.findInvitation(db, { by: "id", id: "inv_own", userId: other }, now),
  whileInvited: (db) =>
    db.batch([insertAuditIf(db, { ...entry, id: "i" }, answers.whileInvited("inv_own", now))]),
  saveAcceptance: (db) => answers.saveAcceptance(db, invitation, [], purge()),
  saveDecline: (db) => answers.saveDecline(db, "inv_own", [], now),
  selectInvitations: (db) => answers.selectInvitations(db, user, now).all(),
  selectSentInvitations: (db) => answers.selectSentInvitations(db, user, LIMIT).all(),
  deleteReceived: (db) => db.batch([answers.deleteReceived(db, own.gone, "TRUE")]),
  ...expiring("oldInvitations", invitations.oldInvitations),
  ...expiring("oldInvitationCounts", oldInvitationCounts),
};

const week = { monday: "2023-11-06", sunday: "2023-11-12" };
const ending = { from: now, until: now + 86_400_000 };

const quota = { pro: 8 };

export const ofUsage: Cases = {
  incrementUsage: (db) =>
    counters.incrementUsage(db, user, { metric: "calls", amount: 1, quota, keyed }, purge()),
  "incrementUsage: refused": async (db) => {
    const count = { metric: "calls", amount: 9, quota, keyed: keyedBy("addUsage") };
    await counters.incrementUsage(db, user, count, purge());
  },
  findCounted: (db) => counters.findCounted(db, user, { metric: "calls", quota }, purge()),
  findPastUsage: (db) =>
    counters.findPastUsage(db, user, { by: "day", metric: null, after: null }, LIMIT),
  unreportedUsage: (db) => reports.unreportedUsage(db, week, "", LIMIT),
  countUnreported: (db) => reports.countUnreported(db, week, "", LIMIT),
  markReported: (db) => reports.markReported(db, "2023-11-06", [user]),
  ...expiring("oldReports", reports.oldReports),
  rollUpDay: (db) => rollUp.rollUpDay(db, "2023-11-14", { before: "2022-11-14" }, LIMIT),
  oldDaysOfPage: (db) => rollUp.oldDaysOfPage(db, "2023-11-14", "2022-11-14", LIMIT),
  "rollUpDay: exported": async (db) => {
    const rows = [{ user_id: own.user, metric: "calls", day: "2021-11-14" }];
    await rollUp.rollUpDay(db, "2023-11-14", { rows }, LIMIT);
  },
  rollUpMonth: (db) => rollUp.rollUpMonth(db, "2023-10", LIMIT),
  monthToRollUp: (db) => rollUp.monthToRollUp(db),
  deleteDayProgress: (db) => rollUp.deleteDayProgress(db, "2023-01-01"),
  ...expiring("oldMonths", rollUp.oldMonths),
  "rowsThatAreOver: months": (db) =>
    rowsThatAreOver(db, rollUp.oldMonths, "month, user_id, metric", { until: 0, limit: LIMIT }),
  countUnrolled: (db) => rollUp.countUnrolled(db, "2023-11-14", LIMIT),
  hasUserBefore: (db) => reports.hasUserBefore(db, now),
  isDayRolledUp: (db) => rollUp.isDayRolledUp(db, "2023-11-12"),
};

export const ofTrials: Cases = {
  unnotifiedTrials: (db) => trials.unnotifiedTrials(db, ending, null, LIMIT),
  countUnnotified: (db) => trials.countUnnotified(db, ending, null, LIMIT),
  countDueTrials: (db) => trials.countDueTrials(db, now + 1, LIMIT),
  markNotified: (db) =>
    trials.markNotified(db, [{ userId: user, email: address, trialEndsAt: now + 1 }]),
  endDueTrials: (db) => trials.endDueTrials(db, crypto.randomUUID(), now + 1, LIMIT),
  trialHash: (db) => addresses.trialHash(db, address),
  hadTrial: (db) => addresses.hadTrial(db, "hash"),
  insertTrial: (db) => db.batch([addresses.insertTrial(db, "hash", now)]),
  keepTrialOf: (db) => addresses.keepTrialOf(db, user, now),
};
