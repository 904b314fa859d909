import { waitUntil } from "cloudflare:workers";
import { beginAudit, dropAudit, endAudit, listAudit } from "../../shared/audit/audit-log.ts";
import { listAudit as contract } from "../../shared/contract/system.ts";
import { readDatabase } from "../../shared/database/read.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { statusOf } from "../../shared/http/problem.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import type { Result } from "../../shared/lib/base/result.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { validate } from "../../shared/lib/worker/validate.ts";
import { json, type Call, type Handler } from "./call.ts";

/** An operator who mends something does not wait longer for a D1 that says nothing. */
const TIMEOUT_MS = 2_000;

/**
 * Writes down what an admin does: before it is done, so that a death in between hides nothing, and
 * how it ended. What is refused leaves no entry. Whatever happens to the log, the request gets its
 * answer: with D1 down an operator has to reset breakers all the same.
 */
export async function audited(
  call: Call,
  operation: string,
  requestId: string,
  handle: () => Promise<Result<Response, Failure>>,
): Promise<Result<Response, Failure>> {
  const { env, caller, url, now } = call;
  if (caller.role !== "admin") return await handle();
  const id = crypto.randomUUID();
  const { actor } = caller;
  try {
    await within(
      TIMEOUT_MS,
      beginAudit(env.DB, { id, at: now, actor, operation, path: url.pathname, requestId }),
    );
  } catch (error) {
    // It may be there all the same, or come late: its end is written in any case.
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

/** What admins did, newest first. */
export const auditLog: Handler = async ({ url, env }) => {
  const query = validate(contract.query, Object.fromEntries(url.searchParams));
  if (!query.ok) return query;
  const { limit, cursor, actor } = query.value;
  const found = await readDatabase(env, () =>
    listAudit(env.DB, actor ?? null, cursor ?? null, limit + 1),
  );
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, ({ at }) => at);
  return json({
    items: rows.map(({ at, ...entry }) => ({ ...entry, at: new Date(at).toISOString() })),
    ...next,
  });
};
