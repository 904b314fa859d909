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

/** How a hand-over to a transport ended. Only what was observed: a lost answer is `unknown`. */
export type Outcome =
  | { kind: "accepted"; detail: AttemptDetail }
  | { kind: "refused_transient"; detail: AttemptDetail; retryAfterMs?: number }
  | { kind: "refused_permanent"; detail: AttemptDetail }
  | { kind: "unknown"; detail: AttemptDetail }
  /** The hand-over never began, so it uses up no attempt. */
  | { kind: "deferred"; detail: AttemptDetail; retryAfterMs?: number };
