/**
 * What was observed of an attempt. Kept in D1 for people; never logged, since a server's text may
 * repeat an address.
 */
export type AttemptDetail = {
  transport: string;
  phase: string;
  code?: number | string;
  enhancedCode?: string;
  text: string;
  /** The provider's id of the email. */
  providerId?: string;
};

/**
 * How a hand-over to a transport ended. Only what was observed: a lost answer is `unknown`. The
 * kind is the class of the answer: `lifecycle.ts` has what each uses up and how it ends. `except`:
 * recipients by their numbers for whom it ended in another way.
 */
export type Outcome = OutcomeForAll & { except?: { n: number; outcome: OutcomeForAll }[] };

/** What of it is true for one recipient. */
export function outcomeOf(outcome: Outcome, n: number): OutcomeForAll {
  const { except, ...forAll } = outcome;
  return except?.find((one) => one.n === n)?.outcome ?? forAll;
}

export type OutcomeForAll =
  | { kind: "accepted"; detail: AttemptDetail }
  /** About this email or its recipient, for now, and no wait was asked. */
  | { kind: "refused_transient"; detail: AttemptDetail }
  | { kind: "refused_permanent"; detail: AttemptDetail }
  | AskedToWait
  | { kind: "unknown"; detail: AttemptDetail }
  /** The hand-over never began, so it uses up no attempt. */
  | { kind: "deferred"; detail: AttemptDetail; retryAfterMs?: number };

/** A definite refusal that this email did not cause. `retryAfterMs`: what the server asks for. */
type AskedToWait = {
  /**
   * `needs_time`: greylisting, a full mailbox. `rate_limited`: a limit over several emails.
   * `server_failed`: the server, its configuration or the connection.
   */
  kind: "needs_time" | "rate_limited" | "server_failed";
  detail: AttemptDetail;
  retryAfterMs?: number;
};
