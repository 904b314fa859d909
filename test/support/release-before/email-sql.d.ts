type Emails = typeof import("../../../shared/email/sql/emails.ts");
type Claims = typeof import("../../../shared/email/sql/claim.ts");
type Letters = typeof import("../../../shared/email/sql/dead-letters.ts");
type Expiry = typeof import("../../../shared/email/sql/expiry.ts");
type Delivery = typeof import("../../../shared/email/sql/delivery.ts");
type Notifications = typeof import("../../../shared/email/sql/notifications.ts");

/** Where a type is this release's, the release before had the same. */
export const insertEmail: typeof import("../../../shared/email/sql/accept.ts").insertEmail;
export const findEmail: Emails["findEmail"];
export function findEmails(
  db: D1Database,
  filter: { tenant: string | null; status: string | null; to: string | null; before: null },
  limit: number,
): Promise<unknown[]>;
export const emailBacklog: Emails["emailBacklog"];
export const claim: Claims["claim"];
export const claimedBy: Claims["claimedBy"];
export const postpone: Claims["postpone"];
export const promoteDue: Claims["promoteDue"];
export const recordAndMarkSending: Delivery["recordAndMarkSending"];
export const cancelQueued: typeof import("../../../shared/email/sql/cancel.ts").cancelQueued;
export const recordDeadLetters: Letters["recordDeadLetters"];
export const findDeadLetters: Letters["findDeadLetters"];
export const oldestDeadEmails: Letters["oldestDeadEmails"];
export const saveDiscard: Letters["saveDiscard"];
export const replay: Letters["replay"];
export const cancelUnsent: typeof import("../../../shared/email/sql/ended-tenants.ts").cancelUnsent;
export const expiredLeases: Expiry["expiredLeases"];
export const settleExpired: Expiry["settleExpired"];
export const forgottenPins: Expiry["forgottenPins"];
export const settleForgotten: Expiry["settleForgotten"];
export const takeFeedback: typeof import("../../../shared/email/sql/feedback.ts").takeFeedback;
export const notifySoon: Notifications["notifySoon"];
export const emailsToNotify: Notifications["emailsToNotify"];
export const dueEmails: Notifications["dueEmails"];
export const missingDeadLetters: Notifications["missingDeadLetters"];
export const recordNotifications: Notifications["recordNotifications"];
export const resolveUnknown: typeof import("../../../shared/email/sql/unknown.ts").resolveUnknown;
export const readFacts: typeof import("../../../shared/alerts/sql/facts.ts").readFacts;
export const readDay: typeof import("../../../shared/alerts/sql/digest.ts").readDay;

type Key = {
  tenant: string;
  key: string;
  requestHash: string;
  emailId: string;
  expiresAt: number;
};
export function insertIdempotencyKey(db: D1Database, key: Key, now: number): D1PreparedStatement[];
export function findIdempotencyKey(
  db: D1Database,
  tenant: string,
  key: string,
  now: number,
): Promise<{ requestHash: string; emailId: string; acceptedAt: number } | null>;
