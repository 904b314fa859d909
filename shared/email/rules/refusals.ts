import type { AttemptDetail, Outcome } from "./outcome.ts";
import { closesForMs, limitResetsInMs } from "./pace.ts";
import { waitClasses } from "./waits.ts";

/** What the refusals of one attempt mean together. Pure. */

export type Refusal = Exclude<Outcome, { kind: "accepted" | "unknown" | "deferred" }>;

/** The classes of refusals, the least patient first: among several, the last counts. */
const refusalClasses = ["permanent", "transient", ...waitClasses] as const;
type RefusalClass = (typeof refusalClasses)[number];

/** What other transports answered for an email in the same attempt. */
export type Refusals = { class: RefusalClass; retryAfterMs: number };

/** The class of a refusal, and the wait that it asks for. */
export function refusalOf(outcome: Refusal): Refusals {
  switch (outcome.kind) {
    case "refused_permanent":
      return { class: "permanent", retryAfterMs: 0 };
    case "refused_transient":
      return { class: "transient", retryAfterMs: 0 };
    case "needs_time":
      return { class: "needs-time", retryAfterMs: outcome.retryAfterMs ?? 0 };
    case "rate_limited":
      return { class: "rate", retryAfterMs: limitResetsInMs(outcome.retryAfterMs) };
    case "server_failed":
      return { class: "server", retryAfterMs: outcome.retryAfterMs ?? 0 };
  }
}

/**
 * What an email's refusals are by now, on its way to the next transport. That a transport is closed
 * by a long limit does not delay the email at another.
 */
export function refusalsOnTheWay(before: Refusals | null, outcome: Refusal): Refusals {
  const answer = refusalOf(outcome);
  return refusalsWith(
    before,
    closesForMs(outcome) === null ? answer : { ...answer, retryAfterMs: 0 },
  );
}

/**
 * The answers of all transports of one attempt together: the most patient class counts, and the
 * email waits for the longest time that one of them asks for.
 */
export function refusalsWith(before: Refusals | null, answer: Refusals): Refusals {
  if (before === null) return answer;
  const rank = ({ class: one }: Refusals): number => refusalClasses.indexOf(one);
  return {
    class: rank(before) > rank(answer) ? before.class : answer.class,
    retryAfterMs: Math.max(before.retryAfterMs, answer.retryAfterMs),
  };
}

/**
 * Whether a refusal is of the address itself, so that no other transport would do better (RFC 3463,
 * 3.2: X.1.1 bad mailbox, X.1.2 bad system, X.1.3 bad syntax, X.1.6 moved; RFC 7505: X.1.10 null
 * MX), or must not try: it has bounced or complained before.
 */
export function isAboutRecipient({ code, enhancedCode }: AttemptDetail): boolean {
  return /^5\.1\.(1|2|3|6|10)$/.test(enhancedCode ?? "") || code === "E_RECIPIENT_SUPPRESSED";
}
