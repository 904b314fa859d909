import {
  settle,
  type EmailStatus,
  type FailsOver,
  type InHandOver,
  type RetryTiming,
  type Settlement,
} from "./lifecycle.ts";
import type { Recipient } from "./mailboxes.ts";
import { outcomeOf, type AttemptDetail, type Outcome } from "./outcome.ts";

/**
 * The recipients of an email. The email's status is that of the work; each recipient has a state of
 * its own, so that no recipient gets a second copy. Pure.
 */

/**
 * What is stored of a recipient; null follows from the email. `pending`: the server does not have
 * the email for this recipient, although the outcome of others is open.
 */
export type StoredState =
  | "pending"
  | "accepted"
  | "refused"
  | "delivered"
  | "bounced"
  | "complained"
  | "suppressed"
  | null;

/** As the API shows it. */
export const recipientStates = [
  "pending",
  "accepted",
  "refused",
  "unknown",
  "delivered",
  "bounced",
  "complained",
  "suppressed",
  "cancelled",
] as const;
export type RecipientState = (typeof recipientStates)[number];

/** Who is handed over next: nobody who has the email, was refused or is suppressed. */
export const isOpen = (stored: StoredState): boolean => stored === null || stored === "pending";

/** Whether a provider or server has the email for this recipient. */
const hasIt = (state: RecipientState | StoredState): boolean =>
  state === "accepted" || state === "delivered" || state === "bounced" || state === "complained";

/** What a recipient's state is, where none is stored. `alone`: it is the only one. */
export function recipientStateOf(
  stored: StoredState,
  email: EmailStatus,
  alone: boolean,
): RecipientState {
  switch (email) {
    case "scheduled":
    case "queued":
    case "claimed":
    case "sending":
      return stored ?? "pending";
    case "pinned":
    case "unknown":
      return stored ?? "unknown";
    case "sent":
      return stored ?? "accepted";
    case "delivered":
    case "bounced":
    case "complained":
      // Feedback that names no recipient is about the only one.
      return stored ?? (alone ? email : "accepted");
    case "dead":
    case "discarded":
      return isOpen(stored) ? "refused" : (stored ?? "refused");
    case "cancelled":
      return isOpen(stored) ? "cancelled" : (stored ?? "cancelled");
    case "suppressed":
      return isOpen(stored) ? "suppressed" : (stored ?? "suppressed");
  }
}

/**
 * The status of an email as it is shown. While there is work it is the status of the work. Then an
 * email that some recipients have is what the gravest of their states is.
 */
export function shownStatus(email: EmailStatus, states: readonly RecipientState[]): EmailStatus {
  switch (email) {
    case "scheduled":
    case "queued":
    case "claimed":
    case "sending":
    case "pinned":
    case "unknown":
      return email;
    case "sent":
    case "delivered":
    case "bounced":
    case "complained":
    case "dead":
    case "discarded":
    case "cancelled":
    case "suppressed": {
      const having = states.filter(hasIt);
      if (states.length < 2 || having.length === 0) return email;
      if (having.includes("complained")) return "complained";
      if (having.includes("bounced")) return "bounced";
      return having.every((state) => state === "delivered") ? "delivered" : "sent";
    }
  }
}

/** What a recipient becomes by a report of the provider; null if that changes nothing. */
export function afterReport(
  state: RecipientState,
  report: "delivered" | "bounced" | "complained",
): StoredState {
  const order: readonly RecipientState[] = ["accepted", "delivered", "bounced", "complained"];
  const [from, to] = [order.indexOf(state), order.indexOf(report)];
  return from >= 0 && to > from ? report : null;
}

/** A recipient of an email in hand-over. `n`: its place among the email's recipients. */
export type StoredRecipient = Recipient & {
  n: number;
  state: StoredState;
  detail: AttemptDetail | null;
};

/** What a hand-over changed for a recipient. */
export type RecipientChange = { n: number; state: StoredState; detail: AttemptDetail | null };

export type RecipientsSettled = {
  settlement: Settlement;
  changes: RecipientChange[];
  /** The next hand-over has other recipients, so it must have another key. */
  raisesPart: boolean;
  /** Some recipients have the email. */
  hasLeft: boolean;
  detail: AttemptDetail;
};

/**
 * Decides what an email in hand-over becomes, and what its recipients do. With one outcome for all
 * it is as with one recipient. With several, those who were accepted or refused for good are
 * settled, and the email goes on for the rest as its next attempt. A recipient who was refused
 * makes the email `dead` in the end, so that it has a dead letter, although others have it.
 */
export function settleRecipients(
  email: InHandOver,
  recipients: readonly StoredRecipient[],
  outcome: Outcome,
  timing: RetryTiming,
): RecipientsSettled | FailsOver {
  const each = recipients
    .filter(({ state }) => isOpen(state))
    .map(({ n }) => ({ n, outcome: outcomeOf(outcome, n) }));
  const others = recipients.filter(({ state }) => !isOpen(state));
  const [one, ...further] = each;
  const first = one?.outcome ?? outcome;
  if (one !== undefined && further.some((other) => other.outcome.kind !== first.kind))
    return divided(email, [one, ...further], others, timing);
  const settlement = settle(email, first, timing);
  if (settlement.status === "sending") return settlement;
  const accepted = settlement.status === "sent";
  const refused = others.find(({ state }) => state === "refused");
  return {
    settlement: accepted && refused !== undefined ? refusedForGood(email) : settlement,
    changes:
      accepted && others.length > 0
        ? each.map(({ n }) => ({ n, state: "accepted", detail: null }))
        : [],
    raisesPart: false,
    hasLeft: accepted || others.some(({ state }) => hasIt(state)),
    detail: (accepted ? refused?.detail : null) ?? first.detail,
  };
}

type One = { n: number; outcome: Outcome };
type Each = readonly One[];

/** Some recipients have another outcome than others. */
function divided(
  email: InHandOver,
  each: readonly [One, ...One[]],
  others: readonly StoredRecipient[],
  timing: RetryTiming,
): RecipientsSettled {
  const accepted = each.filter(({ outcome }) => outcome.kind === "accepted");
  const refused = each.filter(({ outcome }) => outcome.kind === "refused_permanent");
  const rest = each.filter((one) => !accepted.includes(one) && !refused.includes(one));
  const outcome = ofRest(rest);
  const settlement =
    outcome === null
      ? refusedForGood(email)
      : settle(
          // A failover would lose who has the email. The next attempt may use any transport.
          { ...email, hasAlternative: false, hasUntried: false },
          outcome,
          timing,
        );
  if (settlement.status === "sending") throw new Error("an email failed over without another");
  const isHeld = settlement.status === "unknown";
  return {
    settlement,
    changes: [
      ...accepted.map(({ n }) => ({ n, state: "accepted" as const, detail: null })),
      ...refused.map((one) => ({
        n: one.n,
        state: "refused" as const,
        detail: one.outcome.detail,
      })),
      ...rest
        .filter((one) => one.outcome.kind !== "unknown")
        .map(({ n, outcome: { detail } }) => ({
          n,
          // While others are open, only what is stored shows that this one is not.
          state: isHeld ? ("pending" as const) : null,
          detail,
        })),
    ],
    raisesPart: accepted.length + refused.length > 0,
    hasLeft: accepted.length > 0 || others.some(({ state }) => hasIt(state)),
    detail: (outcome ?? refused[0]?.outcome ?? each[0].outcome).detail,
  };
}

const waitOf = (outcome: Outcome): number =>
  "retryAfterMs" in outcome ? (outcome.retryAfterMs ?? 0) : 0;
const asks = ({ kind }: Outcome): number => (kind === "refused_transient" ? 0 : 1);

/**
 * The outcome by which the rest waits: an open one, else one that asks to wait, the longest first.
 */
function ofRest(rest: Each): Outcome | null {
  const outcomes = rest.map(({ outcome }) => outcome);
  const open = outcomes.find(({ kind }) => kind === "unknown");
  if (open !== undefined) return open;
  return outcomes.toSorted((a, b) => asks(b) - asks(a) || waitOf(b) - waitOf(a)).at(0) ?? null;
}

const refusedForGood = ({ attempts }: Pick<InHandOver, "attempts">): Settlement => ({
  status: "dead",
  attempts,
  reason: "permanent",
});
