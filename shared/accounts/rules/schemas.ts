import * as v from "valibot";
import { address } from "../../email/rules/address.ts";
import { shortList } from "../../http/lists.ts";
import { time } from "../../http/time.ts";
import { named } from "../../lib/worker/named.ts";
import { trimmedLine } from "../../lib/worker/one-line.ts";
import { record } from "../../lib/worker/record.ts";
import { metadata } from "./metadata.ts";

/** Why a user is suspended. */
export const suspension = v.strictObject({ reason: trimmedLine(500) });

/** Without a colon, which separates the parts of cache keys. */
export const userId = v.pipe(
  v.string("must be text"),
  v.regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
    "must be 1 to 64 letters, digits, dots, dashes or underscores, " +
      "beginning with a letter or digit",
  ),
);

/** In lower case, since accounts compare addresses case-insensitively. */
export const accountEmail = v.pipe(address, v.toLowerCase());

/** Each has the permissions of those before it. */
export const tiers = ["free", "pro", "enterprise"] as const;
const tier = v.picklist(tiers, 'must be "free", "pro" or "enterprise"');
const scope = v.picklist(["emails:send"], 'must be "emails:send"');

export const newUser = named("NewUser", {
  userId,
  email: accountEmail,
  tier: v.optional(tier, "free"),
  metadata: v.optional(metadata),
});

/** Absent fields are not changed. `metadata` replaces what there was; null removes it. */
export const userChanges = v.pipe(
  v.strictObject({
    email: v.optional(accountEmail),
    tier: v.optional(tier),
    scopes: v.optional(shortList(scope, 8)),
    metadata: v.optional(v.nullable(metadata)),
  }),
  v.minEntries(1, "must change at least one of email, tier, scopes, metadata"),
);

export type NewUser = v.InferOutput<typeof newUser>;
export type UserChanges = v.InferOutput<typeof userChanges>;
export type AccountTier = v.InferOutput<typeof tier>;
export type Scope = v.InferOutput<typeof scope>;

/**
 * `scopes`: permissions of the user's API key beyond the user's own account. `apiKeyPrefix`: the
 * first characters of the key, to identify it; null once it is revoked. `suspended`: every request
 * with a key of the user is refused, and their emails wait.
 */
export const user = named("User", {
  userId: v.string(),
  email: v.string(),
  tier,
  scopes: v.array(scope),
  apiKeyPrefix: v.nullable(v.string()),
  metadata: v.optional(metadata),
  suspended: v.optional(v.strictObject({ at: time, reason: v.string() })),
  createdAt: time,
  updatedAt: time,
});
export type User = v.InferOutput<typeof user>;

const role = v.picklist(["owner", "admin", "member"], 'must be "owner", "admin" or "member"');
export type Role = v.InferOutput<typeof role>;

/** The related reads of a user, as the API returns them. */
export const permissions = named("Permissions", {
  userId: v.string(),
  tier,
  permissions: v.array(v.string()),
  teams: v.array(v.strictObject({ teamId: v.string(), role, permissions: v.array(v.string()) })),
});
export const subscription = named("Subscription", {
  userId: v.string(),
  tier,
  status: v.picklist(["trialing", "active", "cancelled"]),
  startedAt: time,
  trialEndsAt: v.nullable(time),
  endedAt: v.nullable(time),
});
export const usage = named("Usage", {
  userId: v.string(),
  usage: record(v.string(), v.number()),
});
const membership = named("Membership", {
  teamId: v.string(),
  name: v.string(),
  role: v.string(),
  joinedAt: time,
});
const pendingMembership = named("PendingMembership", {
  teamId: v.string(),
  name: v.string(),
  addedAt: time,
  expiresAt: time,
});
/** `pending`: teams that the user was added to and has not confirmed. */
export const teams = named("Teams", {
  userId: v.string(),
  teams: v.array(membership),
  pending: v.array(pendingMembership),
});
export const workspace = named("Workspace", {
  workspaceId: v.string(),
  name: v.string(),
  teamId: v.nullable(v.string()),
  createdAt: time,
});
export const workspaces = named("Workspaces", {
  userId: v.string(),
  workspaces: v.array(workspace),
});

const name = trimmedLine(100);

export const newTeam = v.strictObject({ name });
export const newName = v.strictObject({ name });
export const newMember = v.strictObject({ userId, role: v.optional(role, "member") });
export const newWorkspace = v.strictObject({
  name,
  teamId: v.optional(v.pipe(v.string("must be text"), v.maxLength(64, "is too long"))),
});

export type NewWorkspace = v.InferOutput<typeof newWorkspace>;

export const team = named("Team", {
  teamId: v.string(),
  name: v.string(),
  createdAt: time,
});
/** `joinedAt`: of a user who has not confirmed, when they were added. */
export const teamMember = named("TeamMember", {
  userId: v.string(),
  role,
  joinedAt: time,
  confirmed: v.boolean(),
});
export type Team = v.InferOutput<typeof team>;
export type TeamMember = v.InferOutput<typeof teamMember>;
export type Workspace = v.InferOutput<typeof workspace>;

/** The name of a usage counter. */
export const metric = v.pipe(
  v.string("must be text"),
  v.regex(
    /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/,
    "must be 1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter",
  ),
);

export const usageIncrement = v.strictObject({
  metric,
  amount: v.pipe(
    v.number("must be a number"),
    v.integer("must be a whole number"),
    v.minValue(1, "must be at least 1"),
    v.maxValue(1_000_000_000, "must be at most 1000000000"),
  ),
});
export type UsageIncrement = v.InferOutput<typeof usageIncrement>;

/** `quota`: of a metric that the user's tier limits. */
export const countedUsage = v.strictObject({
  metric: v.string(),
  amount: v.number(),
  quota: v.optional(v.strictObject({ limit: v.number(), used: v.number() })),
});

const exportedEmail = v.strictObject({
  id: v.string(),
  subject: v.string(),
  status: v.string(),
  createdAt: time,
});

/** All data stored about a user. `emailsReceived`: what the operator sent to the user's address. */
export const userExport = named("UserExport", {
  exportedAt: time,
  user,
  lastSeenAt: v.nullable(time),
  addressChange: v.nullable(
    v.strictObject({ email: v.string(), requestedAt: time, expiresAt: time }),
  ),
  subscription: v.nullable(subscription),
  usage: record(v.string(), v.number()),
  usageByDay: v.array(v.strictObject({ metric: v.string(), day: v.string(), amount: v.number() })),
  usageByMonth: v.array(
    v.strictObject({ metric: v.string(), month: v.string(), amount: v.number() }),
  ),
  teams: teams.entries.teams,
  pendingTeams: teams.entries.pending,
  workspaces: workspaces.entries.workspaces,
  invitations: v.array(
    v.strictObject({
      teamId: v.string(),
      name: v.string(),
      role: v.string(),
      createdAt: time,
      expiresAt: time,
    }),
  ),
  invitationsSent: v.array(
    v.strictObject({ teamId: v.string(), email: v.string(), role: v.string(), createdAt: time }),
  ),
  templates: v.array(
    v.strictObject({
      name: v.string(),
      publishedVersion: v.nullable(v.number()),
      latestVersion: v.number(),
      createdAt: time,
      updatedAt: time,
    }),
  ),
  senders: v.array(
    v.strictObject({
      sender: v.string(),
      name: v.nullable(v.string()),
      createdAt: time,
      verifiedAt: v.nullable(time),
    }),
  ),
  emails: v.array(exportedEmail),
  emailsReceived: v.array(exportedEmail),
});
export type UserExport = v.InferOutput<typeof userExport>;
