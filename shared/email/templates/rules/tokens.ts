import Mustache from "mustache";
import { cut } from "../../../lib/base/cut.ts";
import { fail, ok, type Result } from "../../../lib/base/result.ts";

/** A part of a template in Mustache. `inverted`: it stands for what is absent or empty. */
export type Token =
  | { kind: "text"; text: string }
  | { kind: "value"; name: string; raw: boolean }
  | { kind: "section"; name: string; inverted: boolean; inner: readonly Token[] };

/** As `Mustache.parse` returns it: a type, a value, two places, and the tokens of a section. */
type Parsed = [string, string, number, number, Parsed[]?];

/** Mustache keeps what it parsed forever. Stored templates have no end. */
const writer = Object.assign(new Mustache.Writer(), { templateCache: undefined });

/** Each part of a name: Mustache finds it by `in`, also in the prototype of an object. */
const part = /^[A-Za-z_][\w-]*$|^\d{1,4}$/;
/** Each step of a filling splits one: `MAX_STEPS` of a long one would take minutes. */
const MAX_NAME = 200;
const isField = (name: string): boolean =>
  name === "." ||
  (name.length <= MAX_NAME &&
    name.split(".").every((one) => part.test(one) && !(one in Object.prototype)));

/** The deepest that sections stand in each other. */
const MAX_DEPTH = 10;

/**
 * Parses a template: text, `{{name}}`, `{{#name}}...{{/name}}` and `{{^name}}...{{/name}}`. Pure.
 *
 * @returns the tokens, or what is wrong
 */
export function parseTemplate(source: string): Result<readonly Token[], string> {
  try {
    return tokensOf(writer.parse(source) as Parsed[], 0);
  } catch (error) {
    return fail(`is no Mustache template: ${error instanceof Error ? error.message : "unknown"}`);
  }
}

function tokensOf(parsed: readonly Parsed[], depth: number): Result<readonly Token[], string> {
  if (depth > MAX_DEPTH) return fail(`must have at most ${MAX_DEPTH} sections in each other`);
  const tokens: Token[] = [];
  for (const one of parsed) {
    const token = tokenOf(one, depth);
    if (!token.ok) return token;
    if (token.value !== null) tokens.push(token.value);
  }
  return ok(tokens);
}

function tokenOf([type, value, , , inner]: Parsed, depth: number): Result<Token | null, string> {
  switch (type) {
    case "text":
      return ok({ kind: "text", text: value });
    case "!":
      return ok(null);
    case "name":
    case "&":
      return isField(value)
        ? ok({ kind: "value", name: value, raw: type === "&" })
        : fail(noField(value));
    case "#":
    case "^": {
      if (!isField(value)) return fail(noField(value));
      const tokens = tokensOf(inner ?? [], depth + 1);
      return tokens.ok
        ? ok({ kind: "section", name: value, inverted: type === "^", inner: tokens.value })
        : tokens;
    }
    case ">":
      return fail(`must not use the partial {{> ${value}}}: there are none`);
    default:
      return fail("must not change the delimiters {{ and }}");
  }
}

const noField = (name: string): string =>
  `uses {{${cut(name, 50)}}}: the name of a field has letters, digits, _ and -, and dots between ` +
  `its parts, together at most ${MAX_NAME} characters`;
