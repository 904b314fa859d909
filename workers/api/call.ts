import type { User } from "../../shared/accounts/rules/schemas.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { ok, type Result } from "../../shared/lib/base/result.ts";
import type { CacheStatus } from "../../shared/lib/cache/index.ts";
import type { ApiEnv } from "../env.ts";

/**
 * Who calls: found by `auth.ts` before the handler runs. `viewer` holds the token for reading.
 * `actor` names who acts in histories: an operator's address, or a token without telling it.
 * `byCookie`: a browser signs in by itself, also for pages of others.
 */
export type Caller =
  | { role: "anonymous" }
  | { role: "admin"; actor: string; byCookie: boolean }
  | { role: "viewer"; actor: string }
  | { role: "user"; user: User; cacheStatus: CacheStatus };

/** One HTTP request on its way to a handler. `now` is its time in milliseconds since the epoch. */
export type Call = {
  request: Request;
  url: URL;
  params: Record<string, string>;
  env: ApiEnv;
  caller: Caller;
  now: number;
};

export type Handler = (call: Call) => Promise<Result<Response, Failure>>;

/**
 * A part of the path as its sender meant it; null if it is not properly encoded. The router leaves
 * it as it came.
 */
export function pathParam(params: Record<string, string>, name: string): string | null {
  try {
    return decodeURIComponent(params[name] ?? "");
  } catch {
    return null;
  }
}

/** A JSON answer that no cache on the way may keep. */
export function json(
  body: unknown,
  init: { status?: number; headers?: Record<string, string> } = {},
): Result<Response, never> {
  return ok(
    Response.json(body, {
      status: init.status ?? 200,
      headers: { "Cache-Control": "no-store", ...init.headers },
    }),
  );
}
