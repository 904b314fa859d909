import * as v from "valibot";
import { isPage, problem, type Operation } from "../../shared/contract/operation.ts";
import { operations } from "../../shared/contract/operations.ts";
import { problemsByStatus, problemsOf } from "../../shared/contract/problems.ts";
import { httpStatusOf } from "../../shared/http/problem.ts";

/** An answer of the API, as the tests read it: `body` is null where there is none. */
type Answered = { status: number; headers: { get(name: string): string | null }; text: string };

const patterns = operations.map((operation) => ({
  operation,
  pattern: new RegExp(`^${operation.path.replace(/:\w+/g, "[^/]+")}$`),
  literal: operation.path.split("/").filter((part) => !part.startsWith(":")).length,
}));

/** The operation that a request is for: of two that match, the one with more literal segments. */
export function operationOf(method: string, path: string): Operation | null {
  const [pathname = ""] = path.split("?");
  const wanted = method === "HEAD" ? "GET" : method;
  const matching = patterns.filter(
    ({ operation, pattern }) => operation.method === wanted && pattern.test(pathname),
  );
  return matching.toSorted((one, other) => other.literal - one.literal)[0]?.operation ?? null;
}

/**
 * What is wrong with an answer by the document: nothing, for an answer that it describes.
 */
export function undocumented(
  method: string,
  path: string,
  { status, headers, text }: Answered,
): string[] {
  const operation = operationOf(method, path);
  const wrong: string[] = [];
  for (const name of [
    "X-Request-Id",
    "RateLimit-Policy",
    "X-Content-Type-Options",
    "Content-Security-Policy",
    "Strict-Transport-Security",
  ]) {
    if (headers.get(name) === null) wrong.push(`${name} is missing`);
  }
  if (status === 204 || method === "HEAD") return wrong;
  const contentType = headers.get("Content-Type")?.split(";")[0] ?? "none";
  if (contentType === "application/problem+json") {
    const parsed = v.safeParse(problem, JSON.parse(text));
    if (!parsed.success) return [...wrong, `is no problem document: ${parsed.issues[0].message}`];
    const tag = parsed.output.type.replace("urn:luna:problem:", "");
    const tags: string[] =
      operation === null
        ? ["not-found", "method-not-allowed", "rate-limited", "uri-too-long", "headers-too-large"]
        : problemsOf(operation);
    if (!tags.includes(tag)) wrong.push(`${tag} is not documented`);
    if (
      parsed.output.status !== status ||
      httpStatusOf[tag as keyof typeof httpStatusOf] !== status
    )
      wrong.push(`${tag} is not answered with ${status}`);
    return wrong;
  }
  if (contentType === "text/html" && (operation === null || isPage(operation))) {
    const isDescribed =
      status < 400
        ? operation?.answers[status] !== undefined
        : operation === null || problemsByStatus(operation).has(status);
    return isDescribed ? wrong : [...wrong, `${status} is not documented`];
  }
  const answer = operation?.answers[status];
  if (answer === undefined) return [...wrong, `${status} is not documented`];
  if (answer === null) return text === "" ? wrong : [...wrong, "has a body"];
  if ("mediaType" in answer) return wrong;
  const parsed = v.safeParse(answer, JSON.parse(text));
  return parsed.success
    ? wrong
    : [
        ...wrong,
        ...parsed.issues.map((issue) => `${v.getDotPath(issue) ?? "body"}: ${issue.message}`),
      ];
}
