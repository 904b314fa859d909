import type { FirstAnswer, KeyedRequest } from "../../shared/database/answered-requests.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { sha256Hex } from "../../shared/lib/base/hash.ts";
import { fail, type Result } from "../../shared/lib/base/result.ts";
import { json, tenantOf, type Caller } from "./call.ts";

/** What every write shares that takes an Idempotency-Key, except those of emails. */

type Keyable = {
  operation: { id: string };
  caller: Caller;
  idempotencyKey: string | null;
};

/** @param asked what must be the same for a repeat */
export async function keyedRequest(
  { operation, caller, idempotencyKey: key }: Keyable,
  asked: unknown,
): Promise<KeyedRequest | null> {
  if (key === null) return null;
  return {
    tenant: tenantOf(caller),
    operation: operation.id,
    key,
    requestHash: await sha256Hex(JSON.stringify(asked)),
    requestId: crypto.randomUUID(),
  };
}

/**
 * The first answer again. If D1 lost the reply of this very request, it is that of the request
 * itself.
 *
 * @param status of a repeat
 */
export function answerAgain(
  { requestHash, requestId, answer }: FirstAnswer,
  keyed: KeyedRequest | null,
  status = 200,
): Result<Response, Failure> {
  if (requestHash !== keyed?.requestHash) return fail({ tag: "idempotency-key-reused" });
  const headers: Record<string, string> =
    requestId === keyed.requestId ? {} : { "Idempotency-Replayed": "true" };
  return json(JSON.parse(answer), { status, headers });
}
