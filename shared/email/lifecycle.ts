import { retryDelayMs, type RetryPolicy } from "./retry-policy.ts";

/**
 * The life of an accepted mail, as pure decisions; `delivery/store.ts` applies them under the lease token.
 *
 *     queued -> claimed -> sending -> sent
 *       ^         |           |----> unknown    fate not observed
 *       |---------|           |----> dead       refused for good, or attempts exhausted
 *       |---------------------|      refused for now
 *       |--------------------------- dead       by replay, as the next generation
 *
 * A mail that is `queued` can be cancelled, for good. An operator, or a late outcome of the same attempt, takes `unknown` to sent, queued or dead.
 */
export type EmailStatus = "queued" | "claimed" | "sending" | "sent" | "unknown" | "dead" | "cancelled";

/** What a mail becomes when its fate stays unknown: held for a person (never sent twice), or sent again (never lost). */
export type OnUnknown = "hold" | "resend";

/** What was said about an attempt. Kept in D1 for people; never logged, since a server's text may repeat an address. */
export type AttemptDetail = { transport: string; phase: string; code?: number; enhancedCode?: string; text: string };

/** How a hand-over to a transport ended. Only what was observed: a lost answer is `unknown`. */
export type Outcome =
  | { kind: "accepted"; detail: AttemptDetail }
  | { kind: "refused_transient"; detail: AttemptDetail; retryAfterMs?: number }
  | { kind: "refused_permanent"; detail: AttemptDetail }
  | { kind: "unknown"; detail: AttemptDetail }
  /** The hand-over never began, so it burns no attempt. */
  | { kind: "deferred"; detail: AttemptDetail; retryAfterMs?: number };

export type Settlement =
  | { status: "sent"; attempts: number }
  | { status: "queued"; attempts: number; dueAt: number }
  | { status: "unknown"; attempts: number }
  | { status: "dead"; attempts: number; reason: "exhausted" | "permanent" };

/** A mail in hand-over; `attempts` includes the one that has just ended. */
type InHandOver = { attempts: number; onUnknown: OnUnknown };

/**
 * Decides what a mail in `sending` becomes.
 *
 * @param now milliseconds since the epoch
 * @param random in [0, 1), for jitter
 */
export function settle(mail: InHandOver, outcome: Outcome, policy: RetryPolicy, now: number, random: number): Settlement {
  const { attempts } = mail;
  switch (outcome.kind) {
    case "accepted":
      return { status: "sent", attempts };
    case "refused_permanent":
      return { status: "dead", attempts, reason: "permanent" };
    case "refused_transient":
      return retryOrBury(attempts, policy, now, random, outcome.retryAfterMs);
    case "deferred":
      return { status: "queued", attempts: attempts - 1, dueAt: now + Math.max(policy.baseDelayMs, outcome.retryAfterMs ?? 0) };
    case "unknown":
      return mail.onUnknown === "resend" ? retryOrBury(attempts, policy, now, random) : { status: "unknown", attempts };
  }
}

function retryOrBury(attempts: number, policy: RetryPolicy, now: number, random: number, retryAfterMs?: number): Settlement {
  if (attempts > policy.maxRetries) return { status: "dead", attempts, reason: "exhausted" };
  return { status: "queued", attempts, dueAt: now + retryDelayMs(policy, attempts, random, retryAfterMs) };
}

type Leased = InHandOver & { status: "claimed" | "sending" };

/** Decides what a mail becomes whose lease ran out: a claimed one has not left; one in hand-over may have. */
export function expireLease(mail: Leased, policy: RetryPolicy, now: number, random: number): Settlement {
  switch (mail.status) {
    case "claimed":
      return { status: "queued", attempts: mail.attempts, dueAt: now };
    case "sending":
      return settle(mail, { kind: "unknown", detail: leaseExpired }, policy, now, random);
  }
}

export const leaseExpired: AttemptDetail = { transport: "none", phase: "lease", text: "the lease expired before an outcome was recorded" };
