import { isDatabaseFault } from "../../database/rules/faults.ts";
import { backoffMs } from "../../lib/base/backoff.ts";

/** When a run that failed is tried again within its slot. Pure. */

/** An attempt of a run that failed for a passing reason and was followed by another. */
export type FailedAttempt = { startedAt: number; duration: number; error: { message: string } };

const BACKOFF = { baseMs: 1_000, maxMs: 15_000 };
/** An attempt with less time than this would end at the time limit, which hides its cause. */
const LEAST_TIME_MS = 2_000;

/**
 * How long to wait before the next attempt; null if none may begin.
 *
 * @param failures how many attempts have failed
 * @param until when the run's time limit ends, or its next slot comes if that is earlier
 * @param random in [0, 1)
 */
export function nextAttemptMs(
  { failures, until }: { failures: number; until: number },
  now: number,
  random: number,
): number | null {
  const waitMs = backoffMs(BACKOFF, failures, random);
  return now + waitMs + LEAST_TIME_MS <= until ? waitMs : null;
}

/** What the runtime throws if a queue does not take a message for now. */
const queueFailure = /^queue send(batch)? failed: (?!bad request|payload too large)/i;

/**
 * Whether the cause of a failure may pass within seconds: a dependency was away. The calls to D1,
 * to objects and to queues fail alike; a defect or a refusal fails again, so it is not repeated.
 * Of steps that failed together one is enough: the others are idempotent.
 */
export function mayPass(thrown: unknown): boolean {
  if (thrown instanceof AggregateError) return thrown.errors.some(mayPass);
  return isDatabaseFault(thrown) || (thrown instanceof Error && queueFailure.test(thrown.message));
}
