import * as v from "valibot";
import { cut } from "../base/cut.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { malformedTexts } from "./well-formed.ts";

export type FieldError = { path: string; message: string };

/** Input that was refused. `errors` names each wrong field. */
export type Invalid = { tag: "invalid"; errors: FieldError[] };

/** A body with a thousand bad fields still gets a readable answer. */
const MAX_ERRORS = 20;
/** The name of a field comes from the caller, so it is cut. */
const MAX_PATH_LENGTH = 100;

/**
 * Validates input from outside. Each text in it, at any depth, is not well-formed Unicode.
 */
export function validate<Schema extends v.GenericSchema>(
  schema: Schema,
  input: unknown,
): Result<v.InferOutput<Schema>, Invalid> {
  const malformed = malformedTexts(input, fieldsApart(schema), MAX_ERRORS);
  if (malformed.length > 0) return refused(malformed, "is not well-formed Unicode");
  const parsed = v.safeParse(schema, input);
  return parsed.success
    ? ok(parsed.output)
    : fail({ tag: "invalid", errors: parsed.issues.slice(0, MAX_ERRORS).map(fieldError) });
}

const apart = new WeakSet<v.GenericSchema>();

/**
 * A list whose entries are validated later, each by itself, so that a bad one refuses no other.
 * Until then they are unknown.
 */
export function validatedApart<Item extends v.GenericSchema>(
  item: Item,
  maxLength: number,
): v.GenericSchema<v.InferInput<Item>[], unknown[]> {
  const list = v.pipe(
    v.array(item, "must be a list"),
    v.minLength(1, "must have at least one entry"),
    v.maxLength(maxLength, `must have at most ${maxLength} entries`),
  );
  const unknowns = v.pipe(v.array(v.unknown(), "must be a list"), list.pipe[1], list.pipe[2]);
  const schema = Object.assign(list, { "~run": unknowns["~run"] });
  apart.add(schema);
  return schema;
}

/**
 * A field whose schema itself leaves out a text that is not well-formed, so that `validate` does
 * not refuse the rest for it.
 */
export function checkedApart<Schema extends v.GenericSchema>(schema: Schema): Schema {
  apart.add(schema);
  return schema;
}

function fieldsApart(schema: v.GenericSchema & { entries?: unknown }): ReadonlySet<string> {
  const entries = Object.entries((schema.entries ?? {}) as Record<string, v.GenericSchema>);
  return new Set(entries.flatMap(([name, entry]) => (apart.has(entry) ? [name] : [])));
}

/** Refuses fields by their paths. The input itself has the empty path. */
export function refused(paths: readonly string[], message: string): { ok: false; error: Invalid } {
  const errors = paths
    .slice(0, MAX_ERRORS)
    .map((path) => ({ path: path === "" ? "body" : cut(path, MAX_PATH_LENGTH), message }));
  return fail({ tag: "invalid", errors });
}

function fieldError(issue: v.BaseIssue<unknown>): FieldError {
  const path = cut(v.getDotPath(issue) ?? "body", MAX_PATH_LENGTH);
  if (issue.type === "strict_object" || issue.type === "object") {
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
