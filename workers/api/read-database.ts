import { databaseGuard } from "../../shared/database/guard.ts";
import type { ApiEnv } from "../../shared/env.ts";
import type { Failure } from "../../shared/failure.ts";
import { fail, type Result } from "../../shared/result.ts";
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
