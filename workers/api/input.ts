import type * as v from "valibot";
import type { Operation, Parameter } from "../../shared/contract/operation.ts";
import { idempotencyKey } from "../../shared/email/schemas.ts";
import { readJson } from "../../shared/http/body.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { validate, type FieldError, type Invalid } from "../../shared/lib/worker/validate.ts";

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
    ? fail({ tag: "invalid", errors: [{ path: name, message: "is not properly encoded" }] })
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
  return query === undefined
    ? ok(undefined)
    : validate(query, Object.fromEntries(url.searchParams));
}

type Sent = { body: unknown; idempotencyKey: string | null | undefined };

/** Validates the Idempotency-Key, then reads and validates the body. */
export async function readBody(
  { body, idempotent }: Operation,
  request: Request,
): Promise<Result<Sent, Failure>> {
  const key = idempotent === true ? readIdempotencyKey(request) : ok(undefined);
  if (!key.ok) return key;
  const sent = body === undefined ? ok(undefined) : await readJson(request, body);
  return sent.ok ? ok({ body: sent.value, idempotencyKey: key.value }) : sent;
}

function readIdempotencyKey(request: Request): Result<string | null, Invalid> {
  const key = request.headers.get("Idempotency-Key");
  return key === null ? ok(null) : validateAs("Idempotency-Key", idempotencyKey, key);
}

/** Validates one value under the name that its sender knows. */
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
