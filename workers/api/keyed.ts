import {
  findAnswer,
  type FirstAnswer,
  type KeyedRequest,
} from "../../shared/database/answered-requests.ts";
import { readDatabase } from "../../shared/database/read.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { sha256Hex } from "../../shared/lib/base/hash.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";
import { json, tenantOf, type Caller } from "./call.ts";

/** What every write shares that takes an Idempotency-Key, except those of emails. */

export type Keyable = {
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

/** `create`: writes what it creates, with its id as the answer (`insertCreated`). */
type Creation = {
  create: () => Promise<Result<Response, Failure>>;
  /** The answer to a repeat: what was created, as it is now. Null: it is not there any more. */
  again: (id: string) => Promise<Result<Response | null, Failure>>;
};

/**
 * Creates what a request asks for, once per Idempotency-Key. Of two repeats at once the batch of
 * one fails, and it gets the answer of the other.
 */
export async function createOnce(
  { env, now }: { env: ApiEnv; now: number },
  keyed: KeyedRequest | null,
  { create, again }: Creation,
): Promise<Result<Response, Failure>> {
  if (keyed === null) return await create();
  const find = () => readDatabase(env, () => findAnswer(env.DB, keyed, now));
  const before = await find();
  if (!before.ok) return before;
  if (before.value !== null) return await repeated(before.value, keyed, again);
  const created = await create();
  if (created.ok) return created;
  const meanwhile = await find();
  return meanwhile.ok && meanwhile.value !== null
    ? await repeated(meanwhile.value, keyed, again)
    : created;
}

async function repeated(
  { requestHash, answer }: FirstAnswer,
  keyed: KeyedRequest,
  again: Creation["again"],
): Promise<Result<Response, Failure>> {
  if (requestHash !== keyed.requestHash) return fail({ tag: "idempotency-key-reused" });
  const { id } = JSON.parse(answer) as { id: string };
  const found = await again(id);
  if (!found.ok) return found;
  if (found.value === null)
    return fail({ tag: "wrong-state", detail: "What this request created is deleted by now." });
  found.value.headers.set("Idempotency-Replayed", "true");
  return ok(found.value);
}

/** The answer to a repeat that shows the object as it is now. */
export async function readAgain<Value>(
  env: ApiEnv,
  read: () => Promise<Value | null>,
  answerOf: (value: Value) => Result<Response, Failure>,
): Promise<Result<Response | null, Failure>> {
  const found = await readDatabase(env, read);
  if (!found.ok) return found;
  return found.value === null ? ok(null) : answerOf(found.value);
}
