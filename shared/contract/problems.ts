import type { Failure } from "../http/failure.ts";
import { statusOf } from "../http/problem.ts";
import type { Operation } from "./operation.ts";

type Tag = Failure["tag"];

/**
 * Every failure of an operation: those that it declares, and those that follow from its access,
 * parameters, query and body.
 */
export function problemsOf({ access, params, query, body, problems, unlimited }: Operation): Tag[] {
  const tags = new Set<Tag>([...problems, "internal", "uri-too-long", "headers-too-large"]);
  const add = (...more: Tag[]): void => more.forEach((tag) => tags.add(tag));
  if (unlimited !== true) add("rate-limited");
  // Authentication looks a user's key up in the cache and then in D1.
  if (access !== "anyone") add("unauthenticated", "misconfigured", "unavailable");
  if (access !== "anyone" && access !== "reader") add("forbidden");
  for (const { names } of Object.values(params ?? {}))
    add(names === undefined ? "invalid" : "not-found");
  if (query !== undefined) add("invalid");
  if (body !== undefined)
    add("invalid", "malformed-json", "unsupported-media-type", "body-too-large");
  if (tags.has("unavailable")) add("circuit-open");
  return [...tags];
}

/** The same, grouped by status in ascending order. */
export function problemsByStatus(operation: Operation): Map<number, Tag[]> {
  const byStatus = new Map<number, Tag[]>();
  for (const tag of problemsOf(operation).toSorted(
    (one, other) => statusOf[one] - statusOf[other],
  )) {
    byStatus.set(statusOf[tag], [...(byStatus.get(statusOf[tag]) ?? []), tag]);
  }
  return byStatus;
}
