import type { AttemptDetail, Outcome } from "./outcome.ts";
import { repeatDelayMs, retryDelayMs, type RetryPolicy } from "./retry-policy.ts";
import { idempotentForMs, type TransportName } from "./transports.ts";

/**
 * The life of an accepted email, as pure decisions; the stores apply them, each guarded by the
 * status that it starts from. `transitions.ts` lists every change that may happen.
 *
 *     scheduled -> queued -> claimed -> sending -> sent -> delivered | bounced | complained
 *                   ^ ^         |        | | |
 *                   | |---------|        | | |---> unknown   outcome not observed
 *                   |-------------------'  '-----> dead     refused for good, or attempts exhausted
 *
 * An email whose outcome is open, at a provider that recognizes repeats by their key, is `pinned`:
 * it is asked about there, and nowhere else, until the provider forgets the key. Any other open
 * outcome stays `unknown` until the provider's feedback or an operator resolves it.
 */
export const emailStatuses = [
  "scheduled",
  "queued",
  "pinned",
  "claimed",
  "sending",
  "sent",
  "delivered",
  "bounced",
  "complained",
  "unknown",
  "dead",
  "discarded",
  "cancelled",
  "suppressed",
] as const;
/**
 * In which an email is over: it is deleted after its retention. A dead one is over when its dead
 * letter is gone.
 */
export const overStatuses = [
  "sent",
  "delivered",
  "bounced",
  "complained",
  "discarded",
  "cancelled",
  "suppressed",
] as const;

export type EmailStatus = (typeof emailStatuses)[number];

/**
 * What an email becomes when its outcome stays unknown: held for a person (never sent twice), or
 * sent again (never lost).
 */
export type OnUnknown = "hold" | "resend";

export type Settlement =
  | { status: "sent"; attempts: number }
  | { status: "queued"; attempts: number; dueAt: number }
  | { status: "pinned"; attempts: number; dueAt: number; pinnedUntil: number }
  | { status: "unknown"; attempts: number }
  | { status: "dead"; attempts: number; reason: "exhausted" | "permanent" };

/** The same attempt goes on with another transport. */
export type FailsOver = { status: "sending" };

/** What other transports answered for an email in the same attempt. */
export type Refusals = { transient: boolean; retryAfterMs: number };

/** An email in hand-over to `transport` since `handOverAt`; `attempts` includes this one. */
type InHandOver = {
  attempts: number;
  onUnknown: OnUnknown;
  transport: TransportName;
  handOverAt: number;
  pinnedUntil: number | null;
  refusals: Refusals | null;
  /** Whether another transport takes emails, and has not had this one. */
  hasAlternative: boolean;
  /** Whether there is another that has not had it, though its breaker may be open. */
  hasUntried: boolean;
};

/**
 * What the time of the next try depends on. `now`: milliseconds since the epoch. `random`: in
 * [0, 1), for jitter.
 */
export type RetryTiming = { policy: RetryPolicy; now: number; random: number };

/** Decides what an email in `sending` becomes. */
export function settle(
  email: InHandOver,
  outcome: Outcome,
  timing: RetryTiming,
): Settlement | FailsOver {
  const { attempts, refusals } = email;
  switch (outcome.kind) {
    case "accepted":
      return { status: "sent", attempts };
    case "unknown":
      return unknown(email, timing, 0);
    case "deferred": {
      const retryAfterMs = outcome.retryAfterMs ?? 0;
      // Another transport has refused it, so there was an attempt. This one may still take it.
      if (refusals !== null)
        return afterRefusal(email, refusalsWith(refusals, true, retryAfterMs), timing);
      const dueAt = timing.now + Math.max(timing.policy.baseDelayMs, retryAfterMs);
      return waiting(attempts - 1, dueAt, email.pinnedUntil);
    }
    case "refused_transient":
    case "refused_permanent": {
      const retryAfterMs = "retryAfterMs" in outcome ? (outcome.retryAfterMs ?? 0) : 0;
      // It refuses this request. The outcome of the one before stays open.
      if (email.pinnedUntil !== null) {
        return outcome.kind === "refused_transient"
          ? unknown(email, timing, retryAfterMs)
          : held(email, "permanent");
      }
      if (email.hasAlternative && !isAboutRecipient(outcome.detail)) return { status: "sending" };
      const mayGoElsewhere =
        (refusals?.transient === true || email.hasUntried) && !isAboutRecipient(outcome.detail);
      const transient = outcome.kind === "refused_transient" || mayGoElsewhere;
      return afterRefusal(email, refusalsWith(refusals, transient, retryAfterMs), timing);
    }
  }
}

/**
 * Decides what an email becomes that was refused, and that cannot go on to the transport which
 * might take it: there it is tried later.
 */
export function withoutFailover(
  email: Pick<InHandOver, "attempts">,
  refusals: Refusals,
  timing: RetryTiming,
): Settlement {
  return afterRefusal(email, { ...refusals, transient: true }, timing);
}

/**
 * The answers of all transports of one attempt together: the email waits for the longest time that
 * one of them asks for.
 */
export function refusalsWith(
  before: Refusals | null,
  transient: boolean,
  retryAfterMs: number,
): Refusals {
  return { transient, retryAfterMs: Math.max(before?.retryAfterMs ?? 0, retryAfterMs) };
}

/**
 * Whether a refusal is of the address itself, so that no other transport would do better (RFC 3463,
 * 3.2: X.1.1 bad mailbox, X.1.2 bad system, X.1.3 bad syntax, X.1.6 moved; RFC 7505: X.1.10 null
 * MX), or must not try: it has bounced or complained before.
 */
function isAboutRecipient({ code, enhancedCode }: AttemptDetail): boolean {
  return /^5\.1\.(1|2|3|6|10)$/.test(enhancedCode ?? "") || code === "E_RECIPIENT_SUPPRESSED";
}

function afterRefusal(
  { attempts }: Pick<InHandOver, "attempts">,
  { transient, retryAfterMs }: Refusals,
  timing: RetryTiming,
): Settlement {
  return transient
    ? retryOrDeadLetter(attempts, timing, retryAfterMs)
    : { status: "dead", attempts, reason: "permanent" };
}

type Open = Pick<InHandOver, "attempts" | "onUnknown" | "transport" | "handOverAt" | "pinnedUntil">;

/**
 * Where the provider recognizes a repeat by its key the email is pinned there and repeated;
 * elsewhere it is what its sender chose.
 */
function unknown(email: Open, timing: RetryTiming, retryAfterMs: number): Settlement {
  const { policy, now, random } = timing;
  const { attempts, onUnknown, transport, handOverAt } = email;
  const memoryMs = idempotentForMs[transport];
  const pinnedUntil = email.pinnedUntil ?? (memoryMs === null ? null : handOverAt + memoryMs);
  const dueAt = now + repeatDelayMs(policy, attempts, random, retryAfterMs);
  if (pinnedUntil !== null && dueAt < pinnedUntil)
    return { status: "pinned", attempts, dueAt, pinnedUntil };
  if (pinnedUntil === null && onUnknown === "resend") return retryOrDeadLetter(attempts, timing);
  return held(email, "exhausted");
}

function waiting(attempts: number, dueAt: number, pinnedUntil: number | null): Settlement {
  return pinnedUntil === null
    ? { status: "queued", attempts, dueAt }
    : { status: "pinned", attempts, dueAt, pinnedUntil };
}

/** No provider will report its outcome any more. */
function held(
  { attempts, onUnknown }: Pick<Open, "attempts" | "onUnknown">,
  reason: "exhausted" | "permanent",
): Settlement {
  return onUnknown === "hold"
    ? { status: "unknown", attempts }
    : { status: "dead", attempts, reason };
}

/**
 * Decides what a claimed email becomes that cannot be handed over now, or no longer under its key.
 */
export function putBack(
  email: { attempts: number; onUnknown: OnUnknown; pinnedUntil: number | null },
  dueAt: number,
): Settlement {
  const { attempts, pinnedUntil } = email;
  return pinnedUntil === null || dueAt < pinnedUntil
    ? waiting(attempts, dueAt, pinnedUntil)
    : held(email, "exhausted");
}

function retryOrDeadLetter(
  attempts: number,
  { policy, now, random }: RetryTiming,
  retryAfterMs?: number,
): Settlement {
  if (attempts > policy.maxRetries) return { status: "dead", attempts, reason: "exhausted" };
  return {
    status: "queued",
    attempts,
    dueAt: now + retryDelayMs(policy, attempts, random, retryAfterMs),
  };
}

type Leased = Open & { status: "claimed" | "sending" };

/**
 * Decides what an email becomes whose lease ran out: a claimed one has not left; one in hand-over
 * may have.
 */
export function expireLease(email: Leased, timing: RetryTiming): Settlement {
  switch (email.status) {
    case "claimed":
      return putBack(email, timing.now);
    case "sending":
      return unknown(email, timing, 0);
  }
}

export function keyForgotten(transport: TransportName): AttemptDetail {
  return {
    transport,
    phase: "key",
    text: "the provider no longer recognizes the email by its key",
  };
}

export const leaseExpired: AttemptDetail = {
  transport: "none",
  phase: "lease",
  text: "the lease expired before an outcome was recorded",
};
