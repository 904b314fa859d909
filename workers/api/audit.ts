import { waitUntil } from "cloudflare:workers";
import { beginAudit, dropAudit, endAudit } from "../../shared/audit/audit-log.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { statusOf } from "../../shared/http/problem.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import type { Result } from "../../shared/lib/base/result.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import type { ApiEnv } from "../env.ts";
import type { Caller } from "./call.ts";

/** How long an operator waits for the log while D1 does not answer. */
const TIMEOUT_MS = 2_000;

type Audited = {
  env: ApiEnv;
  caller: Caller;
  url: URL;
  now: number;
  operation: string;
  requestId: string;
};

/**
 * Logs a write by an admin before it runs, so that a crash in between leaves an entry, and how it
 * ended. A refused write leaves no entry. A failure of the log does not fail the request: while D1
 * is down an operator must still be able to reset breakers.
 */
export async function audited(
  { env, caller, url, now, operation, requestId }: Audited,
  handle: () => Promise<Result<Response, Failure>>,
): Promise<Result<Response, Failure>> {
  if (caller.role !== "admin") return await handle();
  const id = crypto.randomUUID();
  const { actor } = caller;
  try {
    await within(
      TIMEOUT_MS,
      beginAudit(env.DB, { id, at: now, actor, operation, path: url.pathname, requestId }),
    );
  } catch (error) {
    // The entry may still be written, or arrive late: its end is written in any case.
    log("error", "audit.failed", { actor, operation, ...describeError(error) });
  }
  let status: number = statusOf.internal;
  try {
    const answer = await handle();
    status = answer.ok ? answer.value.status : statusOf[answer.error.tag];
    return answer;
  } finally {
    const end =
      status >= 400 && status < 500 ? dropAudit(env.DB, id) : endAudit(env.DB, id, status);
    waitUntil(
      end.catch((error: unknown) =>
        log("error", "audit.failed", { actor, operation, ...describeError(error) }),
      ),
    );
  }
}
