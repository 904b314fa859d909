import type { Failure } from "../../shared/http/failure.ts";
import { sha256Hex } from "../../shared/lib/base/hash.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";

/** Conditional changes (RFC 9110, 13.1.1): only if the object is as its caller read it. */

const TAG_LENGTH = 32;

/** The tag of what an answer has of an object. It does not depend on the order of fields. */
async function etagOf(value: unknown): Promise<string> {
  return `"${(await sha256Hex(JSON.stringify(value, sorted))).slice(0, TAG_LENGTH)}"`;
}

const sorted = (_: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)))
    : value;

/** Adds the tag to an answer that succeeded. */
export async function withEtag(
  answer: Result<Response, Failure>,
  value: unknown,
): Promise<Result<Response, Failure>> {
  if (answer.ok && answer.value.ok) answer.value.headers.set("ETag", await etagOf(value));
  return answer;
}

/** Whether the request is about some state of its object. */
export const isConditional = (request: Request): boolean => request.headers.has("If-Match");

/**
 * Why the object must not be changed; null if it may. A weak tag matches nothing.
 *
 * @param value what the answer has of the object now
 */
export async function denyReasonForChange(
  request: Request,
  value: unknown,
): Promise<Failure | null> {
  const wanted = request.headers.get("If-Match")?.trim();
  if (wanted === undefined || wanted === "*") return null;
  const tags: string[] = wanted.match(/(W\/)?"[^"]*"/g) ?? [];
  return tags.includes(await etagOf(value)) ? null : { tag: "precondition-failed" };
}

type Versioned<Read> = {
  absent: Failure;
  /** What the tag covers. */
  answerOf: (value: Read) => unknown;
  /** What distinguishes each state of the object in the condition of the write. */
  versionOf: (value: Read) => number;
};

/**
 * @param read the object now
 * @returns the version of the object if the request is about that state; null if about any
 */
export async function whenRead<Read>(
  request: Request,
  read: () => Promise<Result<Read | null, Failure>>,
  { absent, answerOf, versionOf }: Versioned<Read>,
): Promise<Result<number | null, Failure>> {
  if (!isConditional(request)) return ok(null);
  const current = await read();
  if (!current.ok) return current;
  if (current.value === null) return fail(absent);
  const denied = await denyReasonForChange(request, answerOf(current.value));
  return denied === null ? ok(versionOf(current.value)) : fail(denied);
}

/** The time of its last change, which each change moves on. */
export const timeOfChange = ({ updatedAt }: { updatedAt: number | string }): number =>
  typeof updatedAt === "number" ? updatedAt : Date.parse(updatedAt);
