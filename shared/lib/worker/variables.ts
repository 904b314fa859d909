import * as v from "valibot";
import { fail, ok, type Result } from "../base/result.ts";

/** Building blocks for the settings of one part of a Worker. */

/** A variable that is missing or bad. `message` does not have its value, which may be a secret. */
export type Misconfigured = { tag: "misconfigured"; variable: string; message: string };

/** The variables that a schema reads, as an environment has them: unchecked text. */
export type VariablesOf<Schema extends v.GenericSchema> = {
  readonly [Name in keyof v.InferInput<Schema>]?: string | undefined;
};

export const wholeNumber = (fallback: number, min: number, max: number) =>
  v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,9}$/, "must be a whole number"),
      v.transform(Number),
      v.minValue(min, `must be at least ${min}`),
      v.maxValue(max, `must be at most ${max}`),
    ),
    String(fallback),
  );

export const required = v.pipe(v.optional(v.string(), ""), v.nonEmpty("is not set"));

/** A token. Shorter ones could be guessed. */
export const token = v.pipe(required, v.minLength(32, "must have at least 32 characters"));

/** A secret of Standard Webhooks (https://www.standardwebhooks.com) of at least 18 bytes. */
export const signingKey = /^whsec_([A-Za-z0-9+/]{4}){6,}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The hosts to which nothing on the way can listen. */
export const loopback = /^(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|localhost)$/;

/**
 * Validates the variables that one part of a Worker needs, when it first needs them.
 *
 * @returns the parsed variables, or `misconfigured` with the name of the first bad one. Never its
 *   value: it may be a secret.
 */
export function readVariables<const Schema extends v.GenericSchema>(
  schema: Schema,
  env: VariablesOf<Schema>,
): Result<v.InferOutput<Schema>, Misconfigured> {
  const parsed = v.safeParse(schema, env, { abortPipeEarly: true });
  if (parsed.success) return ok(parsed.output);
  const [issue] = parsed.issues;
  const [variable = "unknown", ...field] = v.getDotPath(issue)?.split(".") ?? [];
  const of = field.length === 0 ? "" : `${field.join(".")} `;
  return fail({ tag: "misconfigured", variable, message: `${of}${issue.message}` });
}
