import { brandOf, type BrandVariables } from "../../shared/email/brand.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { problemResponse } from "../../shared/http/problem.ts";
import { ok, type Result } from "../../shared/lib/base/result.ts";
import {
  cacheStatusField,
  type CacheFailure,
  type CacheRead,
  type CacheStatus,
  type Consistency,
} from "../../shared/lib/cache/index.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { json } from "./call.ts";

/**
 * Answers with a value that was read through the cache. Every answer has `Cache-Status`, also an
 * error.
 */
export function answerRead<Value>(
  env: BrandVariables,
  read: CacheRead<Value, Failure>,
  what: string,
  answerOf: (value: Value) => unknown,
): Result<Response, Failure> {
  const headers = { "Cache-Status": cacheStatusOf(env, read.status) };
  if (read.ok && read.value !== null) return json(answerOf(read.value), { headers });
  const response = problemResponse(read.ok ? { tag: "not-found", what } : failureOf(read.error));
  response.headers.set("Cache-Status", headers["Cache-Status"]);
  return ok(response);
}

/** The field `Cache-Status`, in which the cache has the name of the product. */
export const cacheStatusOf = (env: BrandVariables, status: CacheStatus): string =>
  cacheStatusField(status, brandOf(env).slug);

/** The failure to answer with when neither cache nor origin has a value. */
export function failureOf(error: Failure | CacheFailure): Failure {
  if (error.tag === "timed-out" || error.tag === "overloaded")
    return { tag: "unavailable", dependency: "database" };
  if (error.tag !== "threw") return error;
  log("error", "cache.load_failed", describeError(error.error));
  return { tag: "internal" };
}

/** `Cache-Control: no-cache` asks for no purged value (RFC 9111, 5.2.1.4). */
export function consistencyOf(request: Request): Consistency {
  const wanted = request.headers.get("Cache-Control")?.toLowerCase() ?? "";
  return /(^|[\s,])(no-cache|no-store|max-age=0)([\s,]|$)/.test(wanted) ? "strict" : "stale-ok";
}
