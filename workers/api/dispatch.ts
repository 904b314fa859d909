import { Router, type IRequest } from "itty-router";
import * as v from "valibot";
import { userId } from "../../shared/accounts/schemas.ts";
import type { ApiEnv } from "../../shared/env.ts";
import type { Failure } from "../../shared/failure.ts";
import { problemResponse } from "../../shared/http/problem.ts";
import { fail, ok, type Result } from "../../shared/result.ts";
import { describeError, log } from "../../shared/telemetry/log.ts";
import { authenticate, authorize } from "./auth.ts";
import type { Caller } from "./call.ts";
import { noteUser } from "./last-seen.ts";
import { routes, type Route } from "./routes.ts";

type Match = { route: Route; params: Record<string, string> };

const router = Router<IRequest, []>();
for (const route of routes) {
  router[route.method.toLowerCase() as Lowercase<Route["method"]>](route.path, ({ params }): Match => ({ route, params }));
}

/** Answers a request: finds its route, then who calls, then whether they may, then the handler. Never throws. */
export async function dispatch(request: Request, env: ApiEnv): Promise<Response> {
  const requestId = crypto.randomUUID();
  const now = Date.now();
  let answer: Result<Response, Failure>;
  try {
    answer = await answerTo(request, env, now);
  } catch (error) {
    log("error", "request.failed", { requestId, ...describeError(error) });
    answer = fail({ tag: "internal" });
  }
  const response = answer.ok ? answer.value : problemResponse(answer.error);
  response.headers.set("X-Request-Id", requestId);
  response.headers.set("X-Content-Type-Options", "nosniff");
  return response;
}

async function answerTo(request: Request, env: ApiEnv, now: number): Promise<Result<Response, Failure>> {
  const url = new URL(request.url);
  // HEAD is GET without the body (RFC 9110, 9.3.2), which the runtime leaves out.
  const match = await findRoute(request.method === "HEAD" ? "GET" : request.method, url);
  if (match === null) return fail(await missing(url));
  const { route, params } = match;
  const caller = route.access === "anyone" ? ok<Caller>({ role: "anonymous" }) : await authenticate(request, env);
  if (!caller.ok) return caller;
  if (caller.value.role === "user") noteUser(env.DB, caller.value.user.userId, now);
  const refused = authorize(route.access, caller.value, params);
  if (refused !== null) return fail(refused);
  // Nobody has it, and it must not become a part of a cache key.
  if (params["userId"] !== undefined && !v.is(userId, params["userId"])) return fail({ tag: "not-found", what: "user" });
  return await route.handler({ request, url, params, env, caller: caller.value, now });
}

async function findRoute(method: string, url: URL): Promise<Match | null> {
  const match = (await router.fetch({ method, url: url.href })) as Match | undefined;
  return match ?? null;
}

async function missing(url: URL): Promise<Failure> {
  const methods: Route["method"][] = ["GET", "POST", "PATCH", "DELETE"];
  const answers = await Promise.all(methods.map((method) => findRoute(method, url)));
  const allow: string[] = methods.filter((_, index) => answers[index] !== null);
  if (allow.includes("GET")) allow.splice(1, 0, "HEAD");
  return allow.length > 0 ? { tag: "method-not-allowed", allow } : { tag: "not-found", what: "path" };
}
