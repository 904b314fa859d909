import * as v from "valibot";
import { fail, ok, type Result } from "../base/result.ts";

export type FieldError = { path: string; message: string };

/** Input that was refused. `errors` names each wrong field. */
export type Invalid = { tag: "invalid"; errors: FieldError[] };

/** A body with a thousand bad fields still gets a readable answer. */
const MAX_ERRORS = 20;
/** The name of a field comes from the caller, so it is cut. */
const MAX_PATH_LENGTH = 100;

/** Validates input from outside. */
export function validate<Schema extends v.GenericSchema>(
  schema: Schema,
  input: unknown,
): Result<v.InferOutput<Schema>, Invalid> {
  const parsed = v.safeParse(schema, input);
  return parsed.success
    ? ok(parsed.output)
    : fail({ tag: "invalid", errors: parsed.issues.slice(0, MAX_ERRORS).map(fieldError) });
}

function fieldError(issue: v.BaseIssue<unknown>): FieldError {
  const path = (v.getDotPath(issue) ?? "body").slice(0, MAX_PATH_LENGTH);
  if (issue.type === "strict_object") {
    if (issue.expected === "never") return { path, message: "is not a known field" };
    if (issue.received === "undefined") return { path, message: "is required" };
    return { path, message: "must be an object" };
  }
  return {
    path,
    message:
      issue.received === "undefined" && issue.kind === "schema" ? "is required" : issue.message,
  };
}

/** What is wrong with each field, in one line. */
export function listFields(errors: readonly FieldError[]): string {
  return errors.map((error) => `${error.path} ${error.message}`).join("; ");
}

/**
 * The value of an RPC reply.
 *
 * @throws `Refused` with the fields that the callee refused
 */
export function valueOrThrow<Value>(
  reply: Result<Value, Invalid>,
  Refused: new (message: string) => Error = TypeError,
): Value {
  if (reply.ok) return reply.value;
  throw new Refused(listFields(reply.error.errors));
}
