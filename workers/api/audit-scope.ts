import type { BodyOf, ParamsOf } from "../../shared/contract/operation.ts";
import type { OperationId, Operations } from "../../shared/contract/operations.ts";
import type { AuditedObject } from "../../shared/database/audit-states.ts";
import { SHARED } from "../../shared/email/rules/shared-tenant.ts";

/** What the audit log records, by operation. */

type WriteId = {
  [Id in OperationId]: Operations[Id]["method"] extends "GET" ? never : Id;
}[OperationId];

/** The object whose state before and after an operator's write is compared. */
type Observed = { name: AuditedObject; ids: string[] };

/**
 * `ofUsers`: users are audited, too, because it concerns the security of an account. `fields`: of
 * the body, as they were sent; an address is stored as its hash. No field may be a secret or text
 * of an email. `along`: its entry is written in the batch of the write, with this status.
 */
type ScopeOf<Id extends WriteId> = {
  ofUsers?: true;
  along?: number;
  fields?: readonly (keyof BodyOf<Operations[Id]> & string)[];
  state?: (params: ParamsOf<Operations[Id]>, body: BodyOf<Operations[Id]>) => Observed;
};

/** Any scope. Only the trail of the same operation uses it. */
export type AuditScope = {
  ofUsers?: true;
  along?: number;
  fields?: readonly string[];
  state?: (params: Record<string, string>, body: unknown) => Observed;
};

const user = ({ userId }: { userId: string }): Observed => ({ name: "user", ids: [userId] });
const team = ({ teamId }: { teamId: string }): Observed => ({ name: "team", ids: [teamId] });
const member = ({ teamId, userId }: { teamId: string; userId: string }): Observed => ({
  name: "member",
  ids: [teamId, userId],
});
const workspace = ({ workspaceId }: { workspaceId: string }): Observed => ({
  name: "workspace",
  ids: [workspaceId],
});
const email = ({ id }: { id: string }): Observed => ({ name: "email", ids: [id] });
const suppression = ({ address }: { address: string }): Observed => ({
  name: "suppression",
  ids: [address],
});

const key = ({ keyId }: { keyId: string }): Observed => ({ name: "key", ids: [keyId] });

const sender = ({ senderId }: { senderId: string }): Observed => ({
  name: "sender",
  ids: [senderId],
});

const template = ({ name }: { name: string }): Observed => ({
  name: "template",
  ids: [SHARED, name],
});
const job = ({ name }: { name: string }): Observed => ({ name: "job", ids: [name] });

/**
 * Every write of the contract; null for one that is not audited. Without a line a new operation
 * does not compile.
 */
const auditScopes: { readonly [Id in WriteId]: ScopeOf<Id> | null } = {
  createUser: { fields: ["userId"], state: (_, body) => user(body) },
  // A user's address changes later, by the link in the email to the new one.
  updateUser: { ofUsers: true, fields: ["email"], state: user },
  // Its entry is in the batch of the write, under the user whose link it was.
  confirmAddress: null,
  deleteUser: { ofUsers: true, state: user },
  suspendUser: { fields: ["reason"], state: user },
  resumeUser: { state: user },
  rotateApiKey: { ofUsers: true, state: user },
  revokeApiKey: { ofUsers: true, state: user },
  createUserKey: { ofUsers: true, fields: ["name", "scopes", "expiresAt", "test"] },
  rotateUserKey: { ofUsers: true, fields: ["overlapSeconds"], state: key },
  revokeUserKey: { ofUsers: true, state: key },
  createTeamKey: { ofUsers: true, fields: ["name", "scopes", "expiresAt", "test"] },
  rotateTeamKey: { ofUsers: true, fields: ["overlapSeconds"], state: key },
  revokeTeamKey: { ofUsers: true, state: key },
  createOperatorKey: { fields: ["name", "role", "scopes", "expiresAt"] },
  rotateOperatorKey: { fields: ["overlapSeconds"], state: key },
  revokeOperatorKey: { state: key },
  addUsage: { fields: ["metric", "amount"] },
  createTeam: null,
  renameTeam: { state: team },
  deleteTeam: { ofUsers: true, state: team },
  addMember: {
    ofUsers: true,
    fields: ["userId", "role"],
    state: (params, { userId }) => member({ ...params, userId }),
  },
  confirmMember: { ofUsers: true },
  removeMember: { ofUsers: true, state: member },
  createInvitation: { ofUsers: true, fields: ["email", "role"] },
  revokeInvitation: { ofUsers: true },
  acceptInvitation: { ofUsers: true },
  declineInvitation: { ofUsers: true },
  // Its entry is in the batch of the write, under the user whose link it was.
  answerInvitation: null,
  createWorkspace: null,
  renameWorkspace: { state: workspace },
  deleteWorkspace: { state: workspace },
  uploadAttachment: {},
  sendEmail: { along: 202, fields: ["template", "category"] },
  sendEmails: { along: 202 },
  cancelEmail: { state: email },
  moveEmail: { fields: ["sendAt"] },
  resolveEmail: { fields: ["status"], state: email },
  retryEmail: {},
  acknowledgeAlert: {},
  unacknowledgeAlert: {},
  silenceAlerts: { fields: ["match", "reason", "endsAt"] },
  endSilence: {},
  pauseEmails: { fields: ["scope", "reason"] },
  resumeEmails: {},
  importSuppressions: {},
  deleteSuppressions: { fields: ["tenant", "scope", "reason", "before"] },
  suppress: { fields: ["tenant", "scope"], state: (_, body) => suppression(body) },
  unsuppress: { state: suppression },
  createSender: { fields: ["address", "domain", "tenant", "name", "transport"] },
  updateSender: { state: sender },
  deleteSender: { state: sender },
  // Who may send as whom concerns the security of an account.
  requestSender: { ofUsers: true, fields: ["address", "domain"] },
  verifySender: { ofUsers: true, state: sender },
  deleteOwnSender: { ofUsers: true, state: sender },
  // Its entry is in the batch of the write, under the user whose link it was.
  confirmSender: null,
  createTemplate: { fields: ["name", "publish"] },
  addTemplateVersion: { fields: ["publish"], state: template },
  publishTemplateVersion: { state: template },
  deleteTemplate: { state: template },
  testTemplate: { fields: ["to", "version"] },
  // It writes nothing.
  previewTemplateDraft: null,
  createOwnTemplate: { fields: ["name", "publish"] },
  addOwnTemplateVersion: { fields: ["publish"] },
  publishOwnTemplateVersion: {},
  deleteOwnTemplate: {},
  testOwnTemplate: { fields: ["to", "version"] },
  previewOwnTemplateDraft: null,
  discardDeadLetter: { state: email },
  processDeadLetters: {},
  resetEmailTransport: { fields: ["reason"] },
  invalidate: { fields: ["mode", "userId", "pattern", "all"] },
  resetCacheBreaker: { fields: ["reason"] },
  resetCircuitBreaker: { fields: ["reason"] },
  openCircuitBreaker: { fields: ["reason", "until"] },
  closeCircuitBreaker: { fields: ["reason"] },
  disableCircuitBreaker: { fields: ["reason"] },
  enableCircuitBreaker: { fields: ["reason"] },
  createJob: { fields: ["name"], state: (_, body) => job(body) },
  putJob: { state: job },
  updateJob: { state: job },
  deleteJob: { state: job },
  pauseJob: { state: job },
  resumeJob: { state: job },
  runJob: {},
  rotateJobSecret: {},
  replayJobRun: {},
  replayJobRuns: {},
  runTask: {},
  retryRun: {},
  // What the cron trigger does each minute.
  tick: null,
  createWebhookEndpoint: { ofUsers: true, fields: ["events"] },
  updateWebhookEndpoint: { ofUsers: true, fields: ["events"] },
  deleteWebhookEndpoint: { ofUsers: true },
  pauseWebhookEndpoint: {},
  resumeWebhookEndpoint: {},
  rotateWebhookSecret: { ofUsers: true },
  testWebhookEndpoint: {},
  replayWebhookDelivery: {},
  replayWebhookDeliveries: { fields: ["type"] },
  createHeartbeat: { fields: ["name"] },
  updateHeartbeat: { fields: ["name", "graceSeconds"] },
  deleteHeartbeat: {},
  pauseHeartbeat: {},
  resumeHeartbeat: {},
  // What a job sends each time that it runs.
  postPing: null,
  postSignal: null,
  takeWebhook: null,
  unsubscribe: null,
};

export const scopeOf = (operationId: string): AuditScope | null =>
  (auditScopes as Record<string, AuditScope | null | undefined>)[operationId] ?? null;

/** Reads that show an operator who users are, or what was written to them. */
const personalReads: ReadonlySet<string> = new Set<OperationId>([
  "exportSuppressions",
  "exportUser",
  "findUser",
  "getDeadLetter",
  "getEmail",
  "getSender",
  "getUser",
  "listDeadLetterCauses",
  "listDeadLetters",
  "listEmails",
  "listInvitations",
  "listReceivedInvitations",
  "listSenders",
  "listSuppressions",
  "listUsers",
]);

export const isPersonalRead = (operationId: string): boolean => personalReads.has(operationId);
