import { insertAuditAlong, insertAuditIf } from "../../../shared/database/audit-log.ts";
import type { ProviderReport } from "../../../shared/email/rules/resend-feedback.ts";
import * as accept from "../../../shared/email/sql/accept.ts";
import * as backlogs from "../../../shared/email/sql/backlogs.ts";
import * as cancel from "../../../shared/email/sql/cancel.ts";
import * as claims from "../../../shared/email/sql/claim.ts";
import * as letters from "../../../shared/email/sql/dead-letters.ts";
import * as delivery from "../../../shared/email/sql/delivery.ts";
import * as emails from "../../../shared/email/sql/emails.ts";
import * as endingWaits from "../../../shared/email/sql/end-wait.ts";
import * as tenants from "../../../shared/email/sql/ended-tenants.ts";
import * as expiry from "../../../shared/email/sql/expiry.ts";
import * as exporting from "../../../shared/email/sql/export.ts";
import * as feedback from "../../../shared/email/sql/feedback.ts";
import * as keys from "../../../shared/email/sql/idempotency-keys.ts";
import * as limits from "../../../shared/email/sql/limits.ts";
import * as notifications from "../../../shared/email/sql/notifications.ts";
import * as pace from "../../../shared/email/sql/pace.ts";
import * as pauses from "../../../shared/email/sql/pauses.ts";
import * as pending from "../../../shared/email/sql/pending-senders.ts";
import * as poison from "../../../shared/email/sql/poison.ts";
import * as recipients from "../../../shared/email/sql/recipients.ts";
import * as move from "../../../shared/email/sql/reschedule.ts";
import * as retention from "../../../shared/email/sql/retention.ts";
import * as checks from "../../../shared/email/sql/sender-checks.ts";
import * as senders from "../../../shared/email/sql/senders.ts";
import * as settling from "../../../shared/email/sql/settle.ts";
import * as submissions from "../../../shared/email/sql/submissions.ts";
import * as suppressionLists from "../../../shared/email/sql/suppression-lists.ts";
import * as suppressions from "../../../shared/email/sql/suppressions.ts";
import * as testEnds from "../../../shared/email/sql/test-ends.ts";
import * as turns from "../../../shared/email/sql/turns.ts";
import * as unknown from "../../../shared/email/sql/unknown.ts";
import { detail, notification } from "../../support/emails.ts";
import { expiring, LIMIT, now, own, type Cases } from "./cases.ts";

/** The statements of `shared/email/sql`, except those of lists. */

const { email: id } = own;
const tenant = `user:${own.user}`;
const email = {
  id: "email-new",
  tenant,
  from: "a@b.cc",
  to: own.address,
  subject: "Hi",
  text: "Hi",
  onUnknown: "hold" as const,
};
const key = { name: "k#1 ", former: "k#1", requestHash: "h", canonicalHash: "c" };
const submitted = { ...email, id: "email-submitted", key };
const entry = {
  id: "entry-email",
  at: now,
  actor: "ops",
  operation: "sendEmail",
  path: "/",
  requestId: "r",
  status: 202,
  changes: [],
};
const settled = (["sent", "dead"] as const).map((status) => ({
  id,
  suppress: [{ address: "ada@example.com", text: "no such user" }],
  generation: 1,
  settlement:
    status === "sent"
      ? { status, attempts: 1 }
      : { status, attempts: 1, reason: "exhausted" as const },
  detail,
}));
const claiming = { notifications: [notification(id)], token: "t", now, leaseExpiresAt: now };
const ended = { tenant, endedUntil: now, endedAt: now };
const reservation = {
  transport: "smtp" as const,
  emails: 1,
  everyMs: 1,
  groupId: "g",
  maxWaitMs: 1,
};

const reported = (changes: Partial<ProviderReport>, messageId: string) => (db: D1Database) => {
  const report: ProviderReport = {
    email: { id, generation: 1, part: 1 },
    to: [],
    providerId: "provider-email-1",
    feedback: "delivered",
    suppress: null,
    detail,
    ...changes,
  };
  return feedback.takeFeedback(db, { provider: "resend", messageId, report }, now);
};

const suppressed = {
  address: own.address,
  tenant: null,
  scope: "all" as const,
  reason: "manual" as const,
  note: null,
  createdAt: now,
};

const mirrored = (change: "added" | "removed", messageId: string) => (db: D1Database) => {
  const report = { change, address: own.address, reason: "bounce" as const, at: now };
  return suppressions.mirrorSuppression(db, { provider: "resend", messageId, report }, now);
};

export const acceptance: Cases = {
  insertEmail: (db) => db.batch(accept.insertEmail(db, email, now)),
  acceptEach: (db) => submissions.acceptEach(db, [submitted], now, []),
  "acceptEach: two": (db) =>
    submissions.acceptEach(
      db,
      ["b", "c"].map((n) => ({ ...submitted, id: `email-${n}`, key: null })),
      now,
      [],
    ),
  "acceptEach: with daily limits": (db) => {
    const limited = { ...submitted, id: "email-limited", limits: { own: 5, all: 9 } };
    return submissions.acceptEach(db, [limited], now, []);
  },
  "acceptEach: from a sender": (db) => {
    const named = { name: "", address: "a@own.example", domain: "own.example" };
    return submissions.acceptEach(db, [{ ...submitted, id: "email-named", named }], now, []);
  },
  areThere: (db) => db.batch([insertAuditAlong(db, entry, submissions.areThere([submitted]))]),
  rereadVerdicts: (db) => submissions.rereadVerdicts(db, [submitted], now),
  "rereadVerdicts: from a sender": (db) => {
    const named = { name: "", address: "a@own.example", domain: "own.example" };
    return submissions.rereadVerdicts(db, [{ ...submitted, id: "none", key: null, named }], now);
  },
  moveScheduled: (db) => move.moveScheduled(db, { id, tenant: null, sendAt: now + 1 }, now),
  cancelQueued: (db) => cancel.cancelQueued(db, id, null, now),
  deleteExpiredKeys: (db) => keys.deleteExpiredKeys(db, now - 1, LIMIT),
  countExpiredKeys: (db) => keys.countExpiredKeys(db, now - 1, LIMIT),
};

const answer = { transport: "smtp" as const, beganAt: now, closedUntil: now + 1, detail };

export const work: Cases = {
  claim: (db) => claims.claim(db, { ...claiming, open: ["smtp"] }),
  claimedBy: (db) => claims.claimedBy(db, "t"),
  postpone: (db) =>
    claims.postpone(db, {
      notifications: [notification(id)],
      until: now,
      detail: "{}",
      now,
      waits: [{ name: "smtp", until: now, detail: "{}", limited: false, maxBytes: 1 }],
    }),
  promoteDue: (db) => claims.promoteDue(db, now, LIMIT),
  recordAndMarkSending: (db) =>
    delivery.recordAndMarkSending(db, {
      token: "t",
      settled,
      marks: [{ id, transport: "smtp", failover: null }],
      reservations: [reservation],
      now,
      leaseExpiresAt: now,
    }),
  "recordAndMarkSending: outcomes of recipients": (db) =>
    delivery.recordAndMarkSending(db, {
      token: "t",
      settled: settled.map((one) => ({
        ...one,
        recipients: {
          changes: [{ n: 1, state: "accepted" as const, detail: null }],
          raisesPart: true,
          hasLeft: true,
        },
      })),
      marks: [],
      reservations: [],
      now,
      leaseExpiresAt: now,
    }),
  settleEnded: (db) =>
    db.batch(settling.settleEnded(db, settled, { kind: "pinEnded", until: now }, now)),
  recordTestEnds: (db) =>
    db.batch(
      testEnds.recordTestEnds(
        db,
        [
          {
            id,
            generation: 1,
            status: null,
            detail: "{}",
            recipients: [{ n: 1, state: "bounced" }],
          },
        ],
        now,
      ),
    ),
  endlessWaits: (db) => expiry.endlessWaits(db, now, LIMIT),
  settleWaits: (db) => expiry.settleWaits(db, settled, now, now),
  savePause: (db) => pauses.savePause(db, { scope: "tenant:none", reason: "x", createdAt: now }),
  findPauses: (db) => pauses.findPauses(db),
  deletePause: (db) => pauses.deletePause(db, "tenant:none", now),
  endWait: (db) => endingWaits.endWait(db, id, now),
  expiredLeases: (db) => expiry.expiredLeases(db, now, LIMIT),
  settleExpired: (db) => expiry.settleExpired(db, settled, now),
  forgottenPins: (db) => expiry.forgottenPins(db, now, LIMIT),
  settleForgotten: (db) => expiry.settleForgotten(db, settled, now),
  notifySoon: (db) => notifications.notifySoon(db, [id], now),
  emailsToNotify: (db) => notifications.emailsToNotify(db, now, LIMIT),
  dueEmails: (db) => notifications.dueEmails(db, now, LIMIT),
  missingDeadLetters: (db) => notifications.missingDeadLetters(db, now, LIMIT),
  recordNotifications: (db) =>
    notifications.recordNotifications(db, [{ id, generation: 1, rings: 0 }], now),
  reserveRate: (db) => db.batch([pace.reserveRate(db, reservation, now)]),
  readPace: (db) => db.batch([pace.readPace(db, ["smtp"], now)]),
  noteRateAnswer: (db) => db.batch(pace.noteRateAnswer(db, answer, null, now)),
  readLimits: (db) => limits.readLimits(db, now),
  endLimits: (db) => limits.endLimits(db, "smtp", now),
  reserveBacklog: (db) =>
    backlogs.reserveBacklog(
      db,
      { transport: "smtp", everyMs: 1 },
      [{ lane: 0, tenant, emails: 2 }],
      now,
    ),
  waitingElsewhere: (db) => turns.waitingElsewhere(db, now, LIMIT),
  recordTurns: (db) => turns.recordTurns(db, [{ lane: 0, tenant }]),
};

/** An email that is deleted after its export, but was changed since: it stays. */
const exported = { id, at: 0, updatedAt: 0, bytes: 0 };

export const afterwards: Cases = {
  "deleteContents: over": (db) => retention.deleteContents(db, "over", now - 1, LIMIT),
  "deleteContents: dead": (db) => retention.deleteContents(db, "dead", now - 1, LIMIT),
  "endedWithContent: over": (db) => exporting.endedWithContent(db, "over", now - 1, LIMIT),
  "endedWithContent: dead": (db) => exporting.endedWithContent(db, "dead", now - 1, LIMIT),
  "endedEmails: over": (db) => exporting.endedEmails(db, "over", now - 1, LIMIT),
  "endedEmails: dead": (db) => exporting.endedEmails(db, "dead", now - 1, LIMIT),
  "endedEmails: unknown": (db) => exporting.endedEmails(db, "unknown", now - 1, LIMIT),
  contentsOf: (db) => exporting.contentsOf(db, [exported]),
  wholeEmails: (db) => exporting.wholeEmails(db, [exported]),
  deleteContentsOf: (db) => exporting.deleteContentsOf(db, "over", [exported]),
  deleteEmails: (db) => exporting.deleteEmails(db, [exported]),
  "countContents: over": (db) => retention.countContents(db, "over", now - 1, LIMIT),
  "countContents: dead": (db) => retention.countContents(db, "dead", now - 1, LIMIT),
  "deleteEnded: over": (db) => retention.deleteEnded(db, "over", now - 1, LIMIT),
  "deleteEnded: dead": (db) => retention.deleteEnded(db, "dead", now - 1, LIMIT),
  "deleteEnded: unknown": (db) => retention.deleteEnded(db, "unknown", now - 1, LIMIT),
  "countEnded: over": (db) => retention.countEnded(db, "over", now - 1, LIMIT),
  "countEnded: dead": (db) => retention.countEnded(db, "dead", now - 1, LIMIT),
  "countEnded: unknown": (db) => retention.countEnded(db, "unknown", now - 1, LIMIT),
  findEmail: (db) => emails.findEmail(db, id, true),
  emailBacklog: (db) => emails.emailBacklog(db, now),
  resolveUnknown: (db) => unknown.resolveUnknown(db, id, "sent", now),
  "resolveUnknown: again": (db) => unknown.resolveUnknown(db, id, "queued", now),
  recordDeadLetters: (db) => letters.recordDeadLetters(db, [{ id, generation: 1 }], 7, now),
  recordPoison: (db) =>
    poison.recordPoison(db, { messageId: "m", reason: "r", rawBody: "", attempts: 1 }, 7, now),
  ...expiring("expiredDeadLetters", letters.expiredDeadLetters),
  oldestWithCause: (db) => letters.oldestWithCause(db, { reason: "permanent" }, LIMIT),
  "oldestWithCause: to": (db) => letters.oldestWithCause(db, { to: own.address }, LIMIT),
  findDeadLetter: (db) => letters.findDeadLetter(db, id),
  saveDiscard: (db) => letters.saveDiscard(db, id, now),
  findStatuses: (db) => letters.findStatuses(db, [id]),
  replay: (db) => letters.replay(db, [id], 0, now),
  "takeFeedback: delivered": reported({}, "m1"),
  "takeFeedback: complained, by the provider's id": reported(
    { email: null, feedback: "complained", suppress: "complaint" },
    "m2",
  ),
  reportRecipients: (db) =>
    db.batch([
      recipients.reportRecipients(
        db,
        "emails.id = ?1 AND emails.generation = ?2 AND emails.status = ?3",
        [id, 1, "sent", JSON.stringify([{ n: 1, state: "bounced", detail: null }])],
      ),
    ]),
  "takeFeedback: failed": reported(
    { email: null, providerId: "provider-email-2", feedback: "failed" },
    "m3",
  ),
  "takeFeedback: transient-bounce": reported({ feedback: "transient-bounce" }, "m4"),
  ...expiring("oldFeedback", feedback.oldFeedback),
  "mirrorSuppression: added": mirrored("added", "m5"),
  "mirrorSuppression: removed": mirrored("removed", "m6"),
  saveSuppression: (db) => suppressions.saveSuppression(db, suppressed),
  "saveSuppression: of a tenant": (db) =>
    suppressions.saveSuppression(db, { ...suppressed, tenant }),
  insertSuppressions: (db) =>
    suppressions.insertSuppressions(db, [suppressed, { ...suppressed, scope: "marketing" }]),
  recipientOf: (db) => suppressions.recipientOf(db, id),
  unsubscribedFrom: (db) => suppressions.unsubscribedFrom(db, own.address),
  resubscribe: (db) => suppressions.resubscribe(db, own.address),
  deleteListed: (db) =>
    suppressionLists.deleteListed(db, "id", ["1", "s_1"], {
      tenant,
      scope: "all",
      reason: "bounce",
      before: now,
    }),
  deleteOfTenant: (db) => suppressionLists.deleteOfTenant(db, tenant, LIMIT),
  "deleteListed: of addresses": (db) =>
    suppressionLists.deleteListed(db, "address", [own.address], {
      tenant: null,
      scope: null,
      reason: null,
      before: null,
    }),
  deleteSuppression: (db) =>
    suppressions.deleteSuppression(db, { address: own.address, tenant: null, scope: null }),
  insertTenantEnd: (db) =>
    db.batch([
      tenants.insertTenantEnd(
        db,
        { tenant, until: now, now },
        { from: "users WHERE user_id = ?4", values: [own.user] },
      ),
    ]),
  countUnswept: (db) => tenants.countUnswept(db, now, LIMIT),
  unsweptTenants: (db) => tenants.unsweptTenants(db, LIMIT),
  cancelUnsent: (db) => tenants.cancelUnsent(db, ended, now, LIMIT),
  markSwept: (db) => tenants.markSwept(db, ended, now),
};

const made = {
  id: "snd_1",
  identity: "a@own.example",
  tenant,
  name: "Own",
  transportOrder: [],
  challenge: null,
};
const domain = { ...made, id: "snd_3", identity: "own.example", challenge: "c" };
const check = { id: "snd_3", challenge: "c", checkedAt: now, missingSince: null, isOver: true };
const link = { tokenHash: "t", email: [] };

const keyed = () => ({
  tenant,
  operation: "createSender",
  key: crypto.randomUUID(),
  requestHash: "h",
  requestId: "r",
});

export const ofSenders: Cases = {
  insertTrusted: (db) => senders.insertTrusted(db, made, now),
  "insertTrusted: keyed": (db) => senders.insertTrusted(db, made, now, keyed()),
  findTrusted: (db) => senders.findTrusted(db, made, now),
  findSender: (db) => senders.findSender(db, made),
  saveSender: (db) => senders.saveSender(db, made.id, { name: null, transportOrder: null }, now),
  insertPending: (db) => pending.insertPending(db, made, link, { now, keyed: null }),
  "insertPending: a domain": (db) =>
    pending.insertPending(db, domain, null, { now, keyed: keyed() }),
  saveLink: (db) => pending.saveLink(db, { id: made.id, tenant }, link, now),
  beginLookUp: (db) => pending.beginLookUp(db, { id: domain.id, tenant }, now),
  saveVerifiedDomain: (db) => pending.saveVerifiedDomain(db, domain, now),
  findByToken: (db) => pending.findByToken(db, link.tokenHash, now),
  saveVerifiedAddress: (db) => pending.saveVerifiedAddress(db, link.tokenHash, [], now),
  whileUnverified: (db) =>
    db.batch([
      insertAuditIf(db, { ...entry, id: "e-s" }, pending.whileUnverified(link.tokenHash, now)),
    ]),
  linkSource: (db) =>
    db.batch(
      accept.insertEmail(db, { ...email, id: "email-l" }, now, pending.linkSource(link.tokenHash)),
    ),
  domainsToCheck: (db) => checks.domainsToCheck(db, now, LIMIT),
  countToCheck: (db) => checks.countToCheck(db, now, LIMIT),
  saveChecks: (db) =>
    checks.saveChecks(
      db,
      [check],
      accept.insertEmail(db, { ...email, id: "email-checked" }, now, checks.ownerOfSender(check)),
      now,
    ),
  deleteStoredSender: (db) => senders.deleteStoredSender(db, { id: "snd_2", tenant }),
};
