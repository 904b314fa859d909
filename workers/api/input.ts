import type * as v from "valibot";
import { isWrite, type Operation, type Parameter } from "../../shared/contract/operation.ts";
import { idempotencyKey } from "../../shared/email/schemas.ts";
import { MAX_BODY_BYTES, readJson } from "../../shared/http/body.ts";
import type { Failure } from "../../shared/http/failure.ts";
import type { BodyRoom } from "../../shared/http/large-bodies.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import {
  refused,
  validate,
  type FieldError,
  type Invalid,
} from "../../shared/lib/worker/validate.ts";

/** What the contract demands of a request, checked before the handler runs. */

type Params = Record<string, string>;
type BadParams = Invalid | Extract<Failure, { tag: "not-found" }>;

/** Validates the parameters of the path. @param raw as they stand in the URL */
export function readParams({ params = {} }: Operation, raw: Params): Result<Params, BadParams> {
  const read = { ...raw };
  const errors: FieldError[] = [];
  for (const [name, parameter] of Object.entries(params)) {
    const checked = readParameter(name, parameter, raw[name] ?? "");
    if (checked.ok) read[name] = checked.value;
    else if (parameter.names !== undefined)
      return fail({ tag: "not-found", what: parameter.names });
    else errors.push(...checked.error.errors);
  }
  return errors.length === 0 ? ok(read) : fail({ tag: "invalid", errors });
}

function readParameter(
  name: string,
  { schema, encoded }: Parameter,
  raw: string,
): Result<string, Invalid> {
  const text = encoded === true ? decoded(raw) : raw;
  return text === null
    ? refused([name], "is not properly encoded")
    : validateAs(name, schema, text);
}

function decoded(raw: string): string | null {
  try {
    return decodeURIComponent(raw);
  } catch {
    return null;
  }
}

/** Validates the query. */
export function readQuery({ query }: Operation, url: URL): Result<unknown, Invalid> {
  if (query === undefined) return ok(undefined);
  const wrong = url.search
    .slice(1)
    .split("&")
    .filter((pair) => !isUtf8(pair))
    .map((pair) => [...new URLSearchParams(pair).keys()].join());
  return wrong.length === 0
    ? validate(query, Object.fromEntries(url.searchParams))
    : refused(wrong, "is not properly encoded");
}

/** `URLSearchParams` replaces other bytes in silence. A percent sign alone stands for itself. */
function isUtf8(encoded: string): boolean {
  return decoded(encoded.replaceAll(/%(?![\da-f]{2})/gi, "%25")) !== null;
}

type Sent = { body: unknown; idempotencyKey: string | null | undefined };

/**
 * Validates the Idempotency-Key, then reads and validates the body.
 *
 * @param room for a large body, until the request is answered
 */
export async function readBody(
  operation: Operation,
  request: Request,
  room: BodyRoom,
): Promise<Result<Sent, Failure>> {
  const { body, maxBodyBytes: limitBytes = MAX_BODY_BYTES } = operation;
  const key = readIdempotencyKey(operation, request);
  if (!key.ok) return key;
  const sent =
    body === undefined ? ok(undefined) : await readJson(request, body, { limitBytes, room });
  return sent.ok ? ok({ body: sent.value, idempotencyKey: key.value }) : sent;
}

/** A write that would ignore the key refuses it: its sender relies on it. */
function readIdempotencyKey(
  operation: Operation,
  request: Request,
): Result<string | null | undefined, Invalid> {
  const key = request.headers.get("Idempotency-Key");
  if (operation.idempotent !== true) {
    if (key === null || !isWrite(operation)) return ok(undefined);
    return fail({
      tag: "invalid",
      errors: [{ path: "Idempotency-Key", message: "is not supported by this operation" }],
    });
  }
  return key === null ? ok(null) : validateAs("Idempotency-Key", idempotencyKey, key);
}

/** Validates one value under the name that its sender used. */
function validateAs(
  path: string,
  schema: v.GenericSchema<string>,
  text: string,
): Result<string, Invalid> {
  const checked = validate(schema, text);
  if (checked.ok) return checked;
  const errors = checked.error.errors.map(({ message }) => ({ path, message }));
  return fail({ tag: "invalid", errors });
}
