import type { Failure } from "../http/failure.ts";
import { within } from "../lib/base/deadline.ts";
import { fail, ok, type Result } from "../lib/base/result.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { isDatabaseFull, isReserveKept, takenField } from "./rules/faults.ts";
import { countTransaction } from "./transactions.ts";

/** D1 has no timeout that a Worker could set, and a caller must get an answer. */
export const WRITE_TIMEOUT_MS = 5_000;

export type WriteFailure = Extract<
  Failure,
  { tag: "conflict" | "database-full" | "unavailable" | "outcome-unknown" }
>;

/**
 * Runs one write for at most 5 s. If its reply is lost, `reread` finds out for at most another 5 s
 * whether it took place. Never throws.
 *
 * @param reread returns what the write would have returned if it took place, else null; throws if
 *   it cannot determine that
 * @returns `conflict` if a name is taken, `database-full` if there is no room, `unavailable` if the
 *   write did not take place, `outcome-unknown` if that was not observed
 */
export async function writeDatabase<Value>(
  write: () => Promise<Value>,
  reread?: () => Promise<Value | null>,
): Promise<Result<Value, WriteFailure>> {
  try {
    const written = ok(await within(WRITE_TIMEOUT_MS, write()));
    countTransaction("committed");
    return written;
  } catch (error) {
    const field = takenField(error);
    if (field !== null) {
      countTransaction("refused");
      return fail({ tag: "conflict", field });
    }
    log("error", "database.write_failed", describeError(error));
    // It answered: the write did not take place.
    if (isDatabaseFull(error)) {
      countTransaction("failed");
      return fail({ tag: "database-full", keepsReserve: isReserveKept(error) });
    }
    // Not behind the breaker: a rejected read would cost the caller a definite answer.
    const found = reread === undefined ? outcomeUnknown : await lookAgain(reread);
    // After a timeout the write may still commit, so its absence proves nothing.
    const answer = found.ok && found.value === null && isTimeout(error) ? outcomeUnknown : found;
    countTransaction(!answer.ok ? "unknown" : answer.value === null ? "failed" : "committed");
    if (!answer.ok) return answer;
    return answer.value === null
      ? fail({ tag: "unavailable", dependency: "database" })
      : ok(answer.value);
  }
}

const outcomeUnknown = fail({ tag: "outcome-unknown" as const });

export const isTimeout = (error: unknown): boolean =>
  error instanceof DOMException && error.name === "TimeoutError";

async function lookAgain<Value>(
  reread: () => Promise<Value>,
): Promise<Result<Value, { tag: "outcome-unknown" }>> {
  try {
    return ok(await within(WRITE_TIMEOUT_MS, reread()));
  } catch (error) {
    log("error", "database.reread_failed", describeError(error));
    return outcomeUnknown;
  }
}
