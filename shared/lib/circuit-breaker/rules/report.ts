import { addToEvidence, isConclusive, type Evidence } from "./evidence.ts";
import type { Closed } from "./phase.ts";
import type { BreakerSettings } from "./settings.ts";
import { usualOf } from "./usual.ts";
import { addToWindow, countWindow, type Counts } from "./window.ts";

/**
 * What an isolate counted of calls that were admitted under one epoch. `calls` is negative if cold
 * calls did not count after all. An isolate of an earlier release reports only the counts.
 */
export type Report = Counts & {
  lastError?: string | undefined;
  /** Calls from the first failed or slow one on, with it. */
  after?: number | undefined;
  /** For how long the isolate has counted. */
  overMs?: number | undefined;
  /** Calls that did not run, since the isolate has paused. */
  held?: number | undefined;
  slow?: number | undefined;
  /** The longest that the dependency asked callers to wait. */
  retryAfterMs?: number | undefined;
};

/** Counts a report. `tripped`: why the breaker opens, null if it does not. */
export function countWhileClosed(
  phase: Closed,
  report: Report,
  settings: BreakerSettings,
  now: number,
): { phase: Closed; tripped: string | null } {
  const { windowMs, evidenceMs } = settings;
  const { failures: failed, calls, slow = 0, held = 0 } = report;
  const before = usualOf(phase, settings, now);
  const window = addToWindow(phase.window, { failures: failed, calls, slow, held }, windowMs, now);
  const counted = countWindow(window, windowMs, now);
  // Failures are reported at once and successes late: just after the breaker has closed, a few
  // failures would be all that is known.
  const age = now - phase.since;
  const expected = Math.max(counted.calls, age < windowMs ? phase.usual * age : 0);
  const failure: Rule = {
    threshold: { failures: settings.failures, ratio: settings.failureRatio, evidenceMs },
    bad: failed + held,
    inWindow: counted.failures,
    evidence: phase.evidence,
    what: counted.held > 0 ? "failed or were held back" : "failed",
  };
  const slowness: Rule = {
    threshold: { failures: settings.failures, ratio: settings.slowRatio, evidenceMs },
    bad: slow === 0 && phase.slowEvidence === null ? 0 : slow + failed,
    inWindow: counted.slow === 0 ? 0 : counted.slow + counted.failures,
    evidence: phase.slowEvidence,
    what: "were slow or failed",
  };
  const weigh = (rule: Rule): { evidence: Evidence | null; tripped: string | null } => {
    const { threshold, bad, inWindow, what } = rule;
    const successes = freshSuccesses(report, rule.evidence?.since ?? now, now);
    const outcomes = { failures: bad, successes, usual: before };
    const evidence = addToEvidence(rule.evidence, outcomes, threshold, now);
    if (bad === 0) return { evidence, tripped: null };
    if (inWindow >= threshold.failures && inWindow >= threshold.ratio * expected) {
      // An eviction of the object drops calls but no failures: calls may be the smaller number.
      return {
        evidence,
        tripped: `${inWindow} of ${Math.max(counted.calls, inWindow)} calls ${what}`,
      };
    }
    if (!isConclusive(evidence, threshold, now)) return { evidence, tripped: null };
    return { evidence, tripped: conclusion(evidence, what, now) };
  };
  const [byFailures, bySlowness] = [weigh(failure), weigh(slowness)];
  return {
    phase: {
      ...phase,
      window,
      evidence: byFailures.evidence,
      slowEvidence: bySlowness.evidence,
    },
    tripped: byFailures.tripped ?? bySlowness.tripped,
  };
}

type Rule = {
  threshold: { failures: number; ratio: number; evidenceMs: number };
  /** What this report adds. */
  bad: number;
  inWindow: number;
  evidence: Evidence | null;
  what: string;
};

function conclusion(
  { since, failures, calls, usual }: Evidence,
  what: string,
  now: number,
): string {
  const lasted = now - since;
  const of = Math.round(Math.max(usual * lasted, calls));
  return `${failures} of about ${of} calls ${what} within ${(lasted / 1_000).toFixed(1)} s`;
}

/**
 * The successes of a report that ended after `since`. In a report with a failure, those before the
 * failure are taken to be older. In others they are taken to be spread over the time of the report.
 */
function freshSuccesses(report: Report, since: number, now: number): number {
  const { failures, slow = 0, calls, after, overMs } = report;
  const bad = failures + slow;
  const successes = Math.max(calls - bad, 0);
  if (bad > 0) return after === undefined ? successes : Math.max(after - bad, 0);
  if (overMs === undefined) return successes;
  return successes * Math.min((now - since) / Math.max(overMs, 1), 1);
}
