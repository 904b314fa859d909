import type { Outcome } from "./outcome.ts";
import {
  isAboutRecipient,
  refusalOf,
  refusalsWith,
  type Refusal,
  type Refusals,
} from "./refusals.ts";
import { MAX_DEFERRAL_MS, repeatDelayMs, retryDelayMs, type RetryPolicy } from "./retry-policy.ts";
import { idempotentForMs, type TransportName } from "./transports.ts";
import {
  countedWith,
  endOf,
  waitMs,
  waitsUntil,
  type WaitClass,
  type WaitClock,
  type Waited,
} from "./waits.ts";

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
  /** `waited`: why it waits now; null if for nothing; absent: as before. */
  | { status: "queued"; attempts: number; dueAt: number; waited?: Waited | null }
  | { status: "pinned"; attempts: number; dueAt: number; pinnedUntil: number }
  | { status: "unknown"; attempts: number }
  | { status: "dead"; attempts: number; reason: SettledReason };

/** Why a transport's answers end an email: `exhausted` are its attempts. */
type SettledReason = "exhausted" | "permanent" | (typeof endOf)[WaitClass];

/** The same attempt goes on with another transport. */
export type FailsOver = { status: "sending" };

/** An email in hand-over to `transport` since `handOverAt`; `attempts` includes this one. */
export type InHandOver = {
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
 * [0, 1), for jitter. Without a clock nothing waits: each refusal for now uses up an attempt.
 */
export type RetryTiming = { policy: RetryPolicy; now: number; random: number; clock?: WaitClock };

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
        return afterRefusal(
          email,
          refusalsWith(refusals, { class: "server", retryAfterMs }),
          timing,
        );
      const dueAt = timing.now + Math.max(timing.policy.baseDelayMs, retryAfterMs);
      return waiting(attempts - 1, dueAt, email.pinnedUntil);
    }
    case "refused_transient":
    case "refused_permanent":
    case "needs_time":
    case "rate_limited":
    case "server_failed":
      return refused(email, outcome, timing);
  }
}

function refused(email: InHandOver, outcome: Refusal, timing: RetryTiming): Settlement | FailsOver {
  const answer = refusalOf(outcome);
  // It refuses this request. The outcome of the one before stays open.
  if (email.pinnedUntil !== null) {
    return answer.class === "permanent"
      ? held(email, "permanent")
      : unknown(email, timing, answer.retryAfterMs);
  }
  if (isAboutRecipient(outcome.detail)) return afterRefusal(email, answer, timing);
  if (email.hasAlternative) return { status: "sending" };
  const all = refusalsWith(email.refusals, answer);
  // One that had no chance to answer may take it later.
  return afterRefusal(
    email,
    email.hasUntried ? refusalsWith(all, { class: "server", retryAfterMs: 0 }) : all,
    timing,
  );
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
  return afterRefusal(email, refusalsWith(refusals, { class: "rate", retryAfterMs: 0 }), timing);
}

function afterRefusal(
  { attempts }: Pick<InHandOver, "attempts">,
  { class: refusal, retryAfterMs }: Refusals,
  timing: RetryTiming,
): Settlement {
  switch (refusal) {
    case "permanent":
      return { status: "dead", attempts, reason: "permanent" };
    case "transient":
      return retryOrDeadLetter(attempts, timing);
    case "needs-time":
    case "rate":
    case "server":
      return waitOrDeadLetter(attempts, refusal, retryAfterMs, timing);
  }
}

/** The answer was not about this email: the attempt does not count. */
function waitOrDeadLetter(
  attempts: number,
  waitClass: WaitClass,
  askedMs: number,
  timing: RetryTiming,
): Settlement {
  const { policy, now, random, clock } = timing;
  const until = clock === undefined ? null : waitsUntil(clock, waitClass);
  if (clock === undefined || until === null) return retryOrDeadLetter(attempts, timing);
  if (now >= until) return { status: "dead", attempts, reason: endOf[waitClass] };
  const waited = countedWith(clock, waitClass);
  const dueAt = Math.min(now + waitMs(waited, policy, askedMs, random), until);
  return { status: "queued", attempts: attempts - 1, dueAt, waited };
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
 *
 * @param limited because of a limit, for which it then waits
 */
export function putBack(
  email: { attempts: number; onUnknown: OnUnknown; pinnedUntil: number | null },
  dueAt: number,
  limited = false,
): Settlement {
  const { attempts, pinnedUntil } = email;
  if (pinnedUntil !== null && dueAt >= pinnedUntil) return held(email, "exhausted");
  const put = waiting(attempts, dueAt, pinnedUntil);
  return limited && put.status === "queued" ? { ...put, waited: { class: "rate", count: 0 } } : put;
}

/**
 * Decides what a claimed email becomes that could not be handed over because its uploaded files
 * could not be read. An open outcome stays open.
 */
export function notRead(
  email: { attempts: number; onUnknown: OnUnknown; pinnedUntil: number | null },
  timing: RetryTiming,
): Settlement {
  if (email.pinnedUntil !== null) return putBack(email, timing.now + MAX_DEFERRAL_MS);
  return waitOrDeadLetter(email.attempts + 1, "server", 0, timing);
}

function retryOrDeadLetter(attempts: number, { policy, now, random }: RetryTiming): Settlement {
  if (attempts > policy.maxRetries) return { status: "dead", attempts, reason: "exhausted" };
  const dueAt = now + retryDelayMs(policy, attempts, random);
  return { status: "queued", attempts, dueAt, waited: null };
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
