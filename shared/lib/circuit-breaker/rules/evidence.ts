/**
 * The failures since a dependency began to fail, weighed against the calls that may be expected: a
 * CUSUM, the sequential test with the shortest delay for a given rate of false alarms (Moustakides
 * 2009, arXiv 0908.4119). Its score is the number of failures beyond the tolerated share. As soon
 * as the score is not above zero the evidence is dropped, so that evidence begins where it is
 * strongest. Its size does not depend on the traffic.
 *
 * A failure is reported within 100 ms, a success with the next renewal of its isolate. So a share
 * of the reported calls is biased: too high just after a failure, and too low where each report
 * brings older successes along. Therefore the failures are weighed against the calls that the
 * traffic of the window predicts, or against those that are known to have ended since the failures
 * began, if these are more. Times in milliseconds.
 */
export type Evidence = {
  readonly since: number;
  readonly failures: number;
  /** Calls that are known to have ended since `since`, with the failures. */
  readonly calls: number;
  /** Calls per millisecond before the failures began. */
  readonly usual: number;
  /** So many failures in a row open the breaker. */
  readonly needed: number;
};

/** What was usual before a failure: calls per millisecond, and the share of them that failed. */
export type Usual = { callsPerMs: number; failing: number };

type Threshold = {
  failures: number;
  /** The share of failures that is tolerated. */
  ratio: number;
  evidenceMs: number;
};

/** An isolate reports its first failure after this. */
export const REPORT_DELAY_MS = 100;

/**
 * An isolate whose calls keep failing reports them once a second: so much later than they failed.
 * Without this allowance the evidence of the first second would be dropped.
 */
const REPORT_LAG_MS = 500;

/** Adds outcomes to the evidence. Without evidence, a failure begins one. Null: there is none. */
export function addToEvidence(
  evidence: Evidence | null,
  { failures, successes, usual }: { failures: number; successes: number; usual: Usual },
  threshold: Threshold,
  now: number,
): Evidence | null {
  if (evidence === null && failures === 0) return null;
  const from = evidence ?? {
    since: now - REPORT_DELAY_MS,
    failures: 0,
    calls: 0,
    usual: usual.callsPerMs,
    needed: neededFailures(usual.failing, threshold),
  };
  const added: Evidence = {
    ...from,
    failures: from.failures + failures,
    // Successes that came with the first failure are older than it.
    calls: from.calls + failures + (evidence === null ? 0 : successes),
  };
  return score(added, threshold, now - REPORT_LAG_MS) > 0 ? added : null;
}

/** Whether the evidence opens the breaker. */
export function isConclusive(
  evidence: Evidence | null,
  threshold: Threshold,
  now: number,
): evidence is Evidence {
  if (evidence === null || evidence.failures < threshold.failures) return false;
  if (now - evidence.since < threshold.evidenceMs) return false;
  return score(evidence, threshold, now) >= (1 - threshold.ratio) * evidence.needed;
}

/** The failures beyond the tolerated share of the expected calls. */
export function score(
  { since, failures, calls, usual }: Evidence,
  { ratio }: Pick<Threshold, "ratio">,
  now: number,
): number {
  return failures - ratio * Math.max(usual * Math.max(now - since, 0), calls);
}

/**
 * A dependency that often fails needs more evidence: 10 failures in a row at 0 %, 16 at 10 %, 63 at
 * 30 % of half. By chance a score reaches the height h about once in e^(k h) evidences. k is 8 if
 * one call in a thousand fails, 2.6 if one in ten does, and nears 0 at the tolerated share. So that
 * is e^20 or more for each, except in the first seconds of a new share of failures.
 */
function neededFailures(failing: number, { failures, ratio }: Threshold): number {
  const margin = 1 - Math.min(failing / Math.max(ratio, 1e-9), 0.9);
  return (2 * failures) / margin ** 2;
}
