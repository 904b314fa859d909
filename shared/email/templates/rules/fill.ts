import Mustache from "mustache";
import { fail, ok, type Result } from "../../../lib/base/result.ts";
import type { FieldError } from "../../../lib/worker/validate.ts";
import type { Token } from "./tokens.ts";

/**
 * Fills a template as Mustache does, and names each field that it finds nothing for: an email that
 * was accepted has no gap. Pure. A test compares it with Mustache.
 */

/** What one filling may cost: sections in each other multiply what they repeat. */
const MAX_STEPS = 100_000;
/** Of characters, in each of subject, HTML and text. */
const MAX_LENGTH = 1_000_000;
const MAX_ERRORS = 20;

/** `escape`: of values, for HTML. */
export type Escape = (value: string) => string;
export const escapeHtml: Escape = (value) => Mustache.escape(value);
export const asIs: Escape = (value) => value;

/** Where names are looked up, the innermost first. `path`: of the value in the data. */
type Frame = { value: unknown; path: readonly string[]; outer: Frame | null };
type Found = { value: unknown; path: readonly string[] };

type Options = {
  escape: Escape;
  /** Each branch of each section, also what the data leaves out. */
  everyBranch?: boolean;
  /** Called with the path of each field that is found. */
  onField?: (path: readonly string[]) => void;
};

/** @returns the text, or the path of each field that is missing or wrong, from the data on */
export function fill(
  tokens: readonly Token[],
  data: Readonly<Record<string, unknown>>,
  options: Options,
): Result<string, FieldError[]> {
  const filling = new Filling(options);
  filling.all(tokens, { value: data, path: [], outer: null });
  return filling.result();
}

class Filling {
  readonly #options: Options;
  readonly #out: string[] = [];
  readonly #errors = new Map<string, string>();
  #steps = 0;
  #length = 0;

  constructor(options: Options) {
    this.#options = options;
  }

  result(): Result<string, FieldError[]> {
    if (this.#isTooMuch()) return fail([{ path: "", message: tooMuch }]);
    if (this.#errors.size === 0) return ok(this.#out.join(""));
    return fail([...this.#errors].map(([path, message]) => ({ path, message })));
  }

  all(tokens: readonly Token[], frame: Frame): void {
    for (const token of tokens) {
      this.#steps += 1;
      if (this.#isTooMuch() || this.#errors.size >= MAX_ERRORS) return;
      this.#one(token, frame);
    }
  }

  #isTooMuch(): boolean {
    return this.#steps > MAX_STEPS || this.#length > MAX_LENGTH;
  }

  #one(token: Token, frame: Frame): void {
    switch (token.kind) {
      case "text":
        this.#write(token.text);
        return;
      case "value": {
        const found = this.#find(token.name, frame, "is required");
        if (found === null) return;
        const { value } = found;
        if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
          this.#write(this.#options.escape(String(value)));
        else if (value === null) this.#refuse(found.path, "is required");
        else this.#refuse(found.path, "must be text, a number, true or false");
        return;
      }
      case "section": {
        const found = this.#find(token.name, frame, "is required: false or [] for none");
        if (found !== null) this.#section(token, found, frame);
      }
    }
  }

  #section({ inverted, inner }: Token & { kind: "section" }, found: Found, frame: Frame): void {
    const { value, path } = found;
    const isList = Array.isArray(value);
    const isNone = !value || (isList && value.length === 0);
    if (inverted || isNone) {
      if (inverted === isNone || this.#options.everyBranch === true) this.all(inner, frame);
      return;
    }
    if (isList) {
      for (const [n, item] of (value as unknown[]).entries())
        this.#item(inner, item, {
          path: [...path, String(n)],
          outer: frame,
        });
      return;
    }
    // Mustache looks names up in text and numbers, too, and finds none there.
    this.all(inner, value === true ? frame : { value, path, outer: frame });
  }

  #item(inner: readonly Token[], value: unknown, at: Omit<Frame, "value">): void {
    this.#steps += 1;
    if (this.#isTooMuch()) return;
    if (value === null) this.#refuse(at.path, "must not be null");
    else this.all(inner, { value, ...at });
  }

  #find(name: string, frame: Frame, missing: string): Found | null {
    const found = lookUp(name, frame);
    if (found === null) this.#refuse([...nearest(frame), ...name.split(".")], missing);
    else this.#options.onField?.(found.path);
    return found;
  }

  #write(text: string): void {
    this.#length += text.length;
    if (!this.#isTooMuch()) this.#out.push(text);
  }

  #refuse(path: readonly string[], message: string): void {
    const at = path.join(".");
    if (!this.#errors.has(at)) this.#errors.set(at, message);
  }
}

const tooMuch = `makes an email of more than ${MAX_LENGTH} characters, or repeats too much`;

function lookUp(name: string, frame: Frame): Found | null {
  if (name === ".") return { value: frame.value, path: frame.path };
  const names = name.split(".");
  for (let one: Frame | null = frame; one !== null; one = one.outer) {
    // Of text Mustache finds the parts, such as its length, by a name with a dot only.
    const found = names.length > 1 || isObject(one.value) ? descend(one.value, names) : undefined;
    if (found !== undefined) return { value: found, path: [...one.path, ...names] };
  }
  return null;
}

/** Undefined: there is no such property. */
function descend(value: unknown, names: readonly string[]): unknown {
  let at: unknown = value;
  for (const name of names) {
    if (at === null || at === undefined) return undefined;
    const owner: object = Object(at);
    if (!Object.hasOwn(owner, name)) return undefined;
    at = (owner as Record<string, unknown>)[name];
  }
  return at;
}

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;

/** The path of the innermost object: a field that is missing may stand there. */
function nearest(frame: Frame): readonly string[] {
  for (let one: Frame | null = frame; one !== null; one = one.outer)
    if (isObject(one.value) && !Array.isArray(one.value)) return one.path;
  return [];
}
