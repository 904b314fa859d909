import { Router, type IRequest } from "itty-router";
import * as v from "valibot";
import { userId } from "../../shared/accounts/rules/schemas.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { problemResponse } from "../../shared/http/problem.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { newTraceId, traced, traceIdOf } from "../../shared/lib/worker/trace.ts";
import { counters } from "../../shared/telemetry/counters.ts";
import type { ApiEnv } from "../env.ts";
import { audited } from "./audit.ts";
import { authenticate, authorize } from "./auth.ts";
import type { Caller } from "./call.ts";
import { addCorsHeaders, answerOptions, isCrossSite } from "./cors.ts";
import { addSecurityHeaders, headerBytes, MAX_HEADER_BYTES, MAX_URI_BYTES } from "./headers.ts";
import { noteUser } from "./last-seen.ts";
import { observeRequest } from "./observe.ts";
import { hasRoom, limits, policyField } from "./rate-limits.ts";
import { routes, type Route } from "./routes.ts";

type Match = { route: Route; params: Record<string, string> };

const router = Router<IRequest, []>();
for (const route of routes) {
  router[route.method.toLowerCase() as Lowercase<Route["method"]>](
    route.path,
    ({ params }): Match => ({ route, params }),
  );
}

/** One request, by which limit it is counted, and what it asks for once that is known. */
type Incoming = {
  request: Request;
  url: URL;
  env: ApiEnv;
  requestId: string;
  now: number;
  countedBy: keyof typeof limits;
  operation: string | null;
};

/**
 * Answers a request: finds its route, then who calls, then whether they may, then the handler.
 * Never throws.
 */
export async function dispatch(request: Request, env: ApiEnv): Promise<Response> {
  const requestId = crypto.randomUUID();
  const traceId = traceIdOf(request.headers.get("traceparent") ?? "") ?? newTraceId();
  return await traced({ requestId, traceId }, async () => {
    const now = Date.now();
    const incoming: Incoming = {
      request,
      url: new URL(request.url),
      env,
      requestId,
      now,
      countedBy: "ip",
      operation: null,
    };
    let answer: Result<Response, Failure>;
    try {
      answer = await answerTo(incoming);
    } catch (error) {
      counters.count("luna_uncaught_exceptions_total", { worker: "api" });
      log("error", "request.failed", describeError(error));
      answer = fail({ tag: "internal" });
    }
    const response = answer.ok ? answer.value : problemResponse(answer.error);
    response.headers.set("X-Request-Id", requestId);
    response.headers.set("RateLimit-Policy", policyField(incoming.countedBy));
    addCorsHeaders(response.headers, request, env);
    addSecurityHeaders(response.headers);
    observeRequest(
      { request, env, operation: incoming.operation, startedAt: now },
      response.status,
    );
    return response;
  });
}

async function answerTo(incoming: Incoming): Promise<Result<Response, Failure>> {
  const { request, url, env, now, requestId } = incoming;
  if (request.url.length > MAX_URI_BYTES)
    return fail({ tag: "uri-too-long", limitBytes: MAX_URI_BYTES });
  if (headerBytes(request.headers) > MAX_HEADER_BYTES)
    return fail({ tag: "headers-too-large", limitBytes: MAX_HEADER_BYTES });
  // HEAD is GET without the body (RFC 9110, 9.3.2), which the runtime leaves out.
  const match = await findRoute(request.method === "HEAD" ? "GET" : request.method, url);
  if (match === null) return (await limitByAddress(incoming)) ?? (await withoutRoute(incoming));
  const { route, params } = match;
  incoming.operation = route.id;
  const caller = await identify(incoming, route);
  if (!caller.ok) return caller;
  const refused =
    authorize(route.access, caller.value, params) ?? refuseCrossSite(request, caller.value);
  if (refused !== null) return fail(refused);
  // Nobody has it, and it must not become a part of a cache key.
  if (params["userId"] !== undefined && !v.is(userId, params["userId"]))
    return fail({ tag: "not-found", what: "user" });
  const call = { request, url, params, env, caller: caller.value, now };
  return route.method === "GET"
    ? await route.handler(call)
    : await audited(call, route.id, requestId, () => route.handler(call));
}

/**
 * Who calls, if they have not called too often: counted by their key, or by their address while
 * they have shown none that is valid.
 */
async function identify(incoming: Incoming, route: Route): Promise<Result<Caller, Failure>> {
  const { request, env, now } = incoming;
  if (route.access === "anyone") {
    const limited = route.unlimited === true ? null : await limitByAddress(incoming);
    return limited ?? ok({ role: "anonymous" });
  }
  const caller = await authenticate(request, env, now);
  if (!caller.ok)
    return caller.error.tag === "unauthenticated"
      ? ((await limitByAddress(incoming)) ?? caller)
      : caller;
  if (caller.value.role === "anonymous") return (await limitByAddress(incoming)) ?? caller;
  incoming.countedBy = "key";
  const key =
    caller.value.role === "user" ? `user:${caller.value.user.userId}` : caller.value.actor;
  if (!(await hasRoom(env.RATE_LIMIT_KEY, key))) return tooMany;
  if (caller.value.role === "user") noteUser(env.DB, caller.value.user.userId, now);
  return caller;
}

const tooMany = fail<Failure>({
  tag: "rate-limited",
  retryAfterMs: limits.key.periodSeconds * 1_000,
});

async function limitByAddress({ request, env }: Incoming): Promise<typeof tooMany | null> {
  return (await hasRoom(env.RATE_LIMIT_IP, request.headers.get("CF-Connecting-IP") ?? "unknown"))
    ? null
    : tooMany;
}

/** A browser sends Access's cookie along for whoever asks it to. */
function refuseCrossSite(request: Request, caller: Caller): Failure | null {
  const isWrite = request.method !== "GET" && request.method !== "HEAD";
  return caller.role === "admin" && caller.byCookie && isWrite && isCrossSite(request)
    ? { tag: "forbidden", detail: "A page of another site must not write with your sign-in." }
    : null;
}

async function findRoute(method: string, url: URL): Promise<Match | null> {
  const match = (await router.fetch({ method, url: url.href })) as Match | undefined;
  return match ?? null;
}

/** OPTIONS, another method than the path has, or no such path. */
async function withoutRoute({ request, url, env }: Incoming): Promise<Result<Response, Failure>> {
  const methods: Route["method"][] = ["GET", "POST", "PATCH", "DELETE"];
  const answers = await Promise.all(methods.map((method) => findRoute(method, url)));
  const allow: string[] = methods.filter((_, index) => answers[index] !== null);
  if (allow.includes("GET")) allow.splice(1, 0, "HEAD");
  if (allow.length === 0) return fail({ tag: "not-found", what: "path" });
  return request.method === "OPTIONS"
    ? ok(answerOptions(request, env, allow))
    : fail({ tag: "method-not-allowed", allow });
}
