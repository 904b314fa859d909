import { Router, type IRequest } from "itty-router";
import type { Operation } from "../../shared/contract/operation.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { problemResponse } from "../../shared/http/problem.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { newTraceId, traced, traceIdOf } from "../../shared/lib/worker/trace.ts";
import { counters } from "../../shared/telemetry/counters.ts";
import type { ApiEnv } from "../env.ts";
import { audited } from "./audit.ts";
import { authenticate } from "./authenticate.ts";
import { authorize } from "./authorize.ts";
import type { Caller } from "./call.ts";
import { addCorsHeaders, answerOptions, isCrossSite } from "./cors.ts";
import { addSecurityHeaders, headerBytes, MAX_HEADER_BYTES, MAX_URI_BYTES } from "./headers.ts";
import { readBody, readParams, readQuery } from "./input.ts";
import { noteUser } from "./last-seen.ts";
import { observeRequest } from "./observe.ts";
import { hasRoom, limits, policyField } from "./rate-limits.ts";
import { routes, type Route } from "./routes.ts";

/** `params` as they stand in the URL. */
type Match = { route: Route; params: Record<string, string> };
type Method = Route["operation"]["method"];

const router = Router<IRequest, []>();
for (const route of routes) {
  router[route.operation.method.toLowerCase() as Lowercase<Method>](
    route.operation.path,
    ({ params }): Match => ({ route, params }),
  );
}

/** `countedBy`: the limit that counts the request. `operation`: its id, null until it is known. */
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
 * Answers a request: finds its route, authenticates the caller, checks their access, validates the
 * input and calls the handler. Never throws.
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
  const { request, url } = incoming;
  if (request.url.length > MAX_URI_BYTES)
    return fail({ tag: "uri-too-long", limitBytes: MAX_URI_BYTES });
  if (headerBytes(request.headers) > MAX_HEADER_BYTES)
    return fail({ tag: "headers-too-large", limitBytes: MAX_HEADER_BYTES });
  // HEAD is GET without the body (RFC 9110, 9.3.2), which the runtime leaves out.
  const match = await findRoute(request.method === "HEAD" ? "GET" : request.method, url);
  if (match === null) return (await limitByAddress(incoming)) ?? (await withoutRoute(incoming));
  incoming.operation = match.route.operation.id;
  const caller = await identify(incoming, match.route.operation);
  if (!caller.ok) return caller;
  const { access } = match.route.operation;
  const refused =
    authorize(access, caller.value, match.params) ?? refuseCrossSite(request, caller.value);
  return refused === null ? await callHandler(incoming, match, caller.value) : fail(refused);
}

/** A write is audited from before its input is read. */
async function callHandler(
  { request, url, env, now, requestId }: Incoming,
  { route: { operation, handler }, params: raw }: Match,
  caller: Caller,
): Promise<Result<Response, Failure>> {
  const params = readParams(operation, raw);
  if (!params.ok && params.error.tag === "not-found") return params;
  const handle = async (): Promise<Result<Response, Failure>> => {
    const query = readQuery(operation, url);
    if (!query.ok) return query;
    if (!params.ok) return params;
    const body = await readBody(operation, request);
    if (!body.ok) return body;
    const input = { params: params.value, query: query.value, ...body.value };
    return await handler({ operation, request, url, env, caller, now, ...input });
  };
  return operation.method === "GET"
    ? await handle()
    : await audited({ env, caller, url, now, operation: operation.id, requestId }, handle);
}

/**
 * Finds who calls and applies their rate limit: by key, or by address without a valid key.
 */
async function identify(
  incoming: Incoming,
  operation: Operation,
): Promise<Result<Caller, Failure>> {
  const { request, env, now } = incoming;
  if (operation.access === "anyone") {
    const limited = operation.unlimited === true ? null : await limitByAddress(incoming);
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

/** A browser sends Access's cookie with requests that pages of other sites make, too. */
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
  const methods: Method[] = ["GET", "POST", "PATCH", "DELETE"];
  const answers = await Promise.all(methods.map((method) => findRoute(method, url)));
  const allow: string[] = methods.filter((_, index) => answers[index] !== null);
  if (allow.includes("GET")) allow.splice(1, 0, "HEAD");
  if (allow.length === 0) return fail({ tag: "not-found", what: "path" });
  return request.method === "OPTIONS"
    ? ok(answerOptions(request, env, allow))
    : fail({ tag: "method-not-allowed", allow });
}
