import type { Failure } from "../http/failure.ts";
import { httpStatusOf } from "../http/problem.ts";
import { isWrite, type Operation } from "./operation.ts";

type Tag = Failure["tag"];

/**
 * Every failure of an operation: those that it declares, and those that follow from its access,
 * parameters, query and body.
 */
export function problemsOf(operation: Operation): Tag[] {
  const { access, params, query, body, problems } = operation;
  const tags = new Set<Tag>([
    ...problems,
    "rate-limited",
    "internal",
    "uri-too-long",
    "headers-too-large",
  ]);
  const add = (...more: Tag[]): void => more.forEach((tag) => tags.add(tag));
  // Authentication looks a user's key up in the cache and then in D1.
  if (access !== "anyone") {
    add("unauthenticated", "forbidden", "account-suspended");
    add("misconfigured", "unavailable");
  }
  if (operation.conditional === true) add("precondition-failed");
  for (const { names } of Object.values(params ?? {}))
    add(names === undefined ? "invalid" : "not-found");
  // A write takes an Idempotency-Key, which may be malformed, or refuses it.
  if (query !== undefined || isWrite(operation)) add("invalid");
  if (body !== undefined)
    add("invalid", "malformed-json", "unsupported-media-type", "body-too-large");
  if (operation.upload !== undefined) add("invalid", "length-required", "body-too-large");
  if (tags.has("unavailable")) add("circuit-open");
  if (tags.has("outcome-unknown")) add("database-full");
  return [...tags];
}

/** The same, grouped by status in ascending order. */
export function problemsByStatus(operation: Operation): Map<number, Tag[]> {
  const byStatus = new Map<number, Tag[]>();
  for (const tag of problemsOf(operation).toSorted(
    (one, other) => httpStatusOf[one] - httpStatusOf[other],
  )) {
    byStatus.set(httpStatusOf[tag], [...(byStatus.get(httpStatusOf[tag]) ?? []), tag]);
  }
  return byStatus;
}
