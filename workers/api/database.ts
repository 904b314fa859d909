import { takenField } from "../../shared/accounts/store.ts";
import { databaseGuard } from "../../shared/database/guard.ts";
import type { ApiEnv } from "../../shared/env.ts";
import type { Failure } from "../../shared/failure.ts";
import { fail, ok, type Result } from "../../shared/result.ts";
import { countTransaction } from "../../shared/telemetry/events.ts";
import { describeError, log } from "../../shared/telemetry/log.ts";

/** Runs a read behind the breaker `database`, with retries. That D1 did not answer, or is not asked, is a value. */
export async function readDatabase<Value>(env: ApiEnv, read: () => Promise<Value>): Promise<Result<Value, Failure>> {
  const answer = await databaseGuard(env)(read);
  if (answer.ok) return answer;
  if (answer.error.tag === "circuit-open")
    return fail({ tag: "circuit-open", dependency: "database", retryAfterMs: answer.error.retryAfterMs });
  log("error", "database.read_failed", describeError(answer.error.error));
  return fail({ tag: "unavailable", dependency: "database" });
}

/**
 * Runs one write. A lost reply does not tell whether it took place: `reread` looks, if it is given.
 *
 * @param reread what the write would have answered if it took place, else null
 * @returns `unavailable` if it did not take place, `outcome-unknown` if nobody can tell
 */
export async function writeDatabase<Value>(
  write: () => Promise<Value>,
  reread?: () => Promise<Value | null>,
): Promise<Result<Value, Failure>> {
  try {
    const written = ok(await write());
    countTransaction("committed");
    return written;
  } catch (error) {
    const field = takenField(error);
    if (field !== null) {
      countTransaction("refused");
      return fail({ tag: "conflict", field });
    }
    log("error", "database.write_failed", describeError(error));
    // Past the breaker: a read that it spares the database would cost the caller a definite answer.
    const found = reread === undefined ? fail({ tag: "outcome-unknown" as const }) : await lookAgain(reread);
    countTransaction(!found.ok ? "unknown" : found.value === null ? "failed" : "committed");
    if (!found.ok) return found;
    return found.value === null ? fail({ tag: "unavailable", dependency: "database" }) : ok(found.value);
  }
}

async function lookAgain<Value>(reread: () => Promise<Value>): Promise<Result<Value, Failure>> {
  try {
    return ok(await reread());
  } catch (error) {
    log("error", "database.reread_failed", describeError(error));
    return fail({ tag: "outcome-unknown" });
  }
}
