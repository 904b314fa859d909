import { waitUntil } from "cloudflare:workers";
import { Router, type IRequest } from "itty-router";
import { isPage, type Operation } from "../../shared/contract/operation.ts";
import { noteFull } from "../../shared/database/size.ts";
import { brandOf } from "../../shared/email/brand.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { BodyRoom } from "../../shared/http/large-bodies.ts";
import { problemResponse, httpStatusOf } from "../../shared/http/problem.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { newTraceId, traced, traceIdOf } from "../../shared/lib/worker/trace.ts";
import { counters } from "../../shared/telemetry/counters.ts";
import type { ApiEnv } from "../env.ts";
import { AuditTrail } from "./audit.ts";
import { findKeyHolder, isKnownKey, readCredential, type Credential } from "./authenticate.ts";
import { authorize } from "./authorize.ts";
import type { Caller } from "./call.ts";
import { addCorsHeaders, answerOptions, isCrossSite } from "./cors.ts";
import { addSecurityHeaders, headerBytes, MAX_HEADER_BYTES, MAX_URI_BYTES } from "./headers.ts";
import { readBody, readParams, readQuery } from "./input.ts";
import { noteKey, noteUser } from "./last-seen.ts";
import { observeRequest } from "./observe.ts";
import { problemPage } from "./page.ts";
import { hasRoom, NetworkLimit, policyField, tooMany, type limits } from "./rate-limits.ts";
import { routes, type Route } from "./routes.ts";
import { wantsPage } from "./wants-page.ts";

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

/**
 * `countedBy`: the limit that counts the request. `operation`: its id, null until it is known.
 * `page`: whether it answers with a page.
 */
type Incoming = {
  request: Request;
  url: URL;
  env: ApiEnv;
  requestId: string;
  now: number;
  network: NetworkLimit;
  countedBy: keyof typeof limits;
  operation: string | null;
  page: boolean;
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
      network: new NetworkLimit(env, request, now),
      countedBy: "ip",
      operation: null,
      page: false,
    };
    let answer: Result<Response, Failure>;
    try {
      answer = await answerTo(incoming);
    } catch (error) {
      counters.count("luna_uncaught_exceptions_total", { worker: "api" });
      log("error", "request.failed", describeError(error));
      answer = fail({ tag: "internal" });
    }
    if (!answer.ok && answer.error.tag === "database-full" && !answer.error.keepsReserve)
      waitUntil(noteFull(env.DB, now));
    if (!answer.ok && answer.error.tag === "aborted")
      log("info", "request.aborted", { operation: incoming.operation });
    const response = answer.ok ? answer.value : await refusal(incoming, answer.error);
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

/** A problem document, or a page for a person in a browser. */
async function refusal(
  { request, url, env, operation, page }: Incoming,
  failure: Failure,
): Promise<Response> {
  const brand = brandOf(env);
  const mayBePage = page || operation === null;
  const problem = problemResponse(failure, brand.slug);
  const isShown = mayBePage && wantsPage(request.headers);
  const answer = isShown ? await problemPage(failure, brand, url.pathname) : problem;
  problem.headers.forEach((value, name) => {
    if (!answer.headers.has(name)) answer.headers.set(name, value);
  });
  if (mayBePage) answer.headers.append("Vary", "Accept");
  return answer;
}

async function answerTo(incoming: Incoming): Promise<Result<Response, Failure>> {
  const { request, url } = incoming;
  if (request.url.length > MAX_URI_BYTES)
    return fail({ tag: "uri-too-long", limitBytes: MAX_URI_BYTES });
  if (headerBytes(request.headers) > MAX_HEADER_BYTES)
    return fail({ tag: "headers-too-large", limitBytes: MAX_HEADER_BYTES });
  // HEAD is GET without the body (RFC 9110, 9.3.2), which the runtime leaves out.
  const match = await findRoute(request.method === "HEAD" ? "GET" : request.method, url);
  if (match === null) return (await incoming.network.charge()) ?? (await withoutRoute(incoming));
  incoming.operation = match.route.operation.id;
  incoming.page = isPage(match.route.operation);
  const caller = await identify(incoming, match.route.operation);
  if (!caller.ok) return caller;
  const refused =
    authorize(match.route.operation, caller.value, match.params) ??
    refuseCrossSite(request, caller.value);
  const { env, now, requestId } = incoming;
  const { operation } = match.route;
  const trail = new AuditTrail({
    env,
    caller: caller.value,
    operation,
    params: match.params,
    now,
    requestId,
  });
  if (refused !== null) {
    trail.refuse(refused);
    return fail(refused);
  }
  const answer = await trail.follow(() => callHandler(incoming, match, caller.value, trail));
  // Without a valid signature the request counts for its network.
  if (operation.signed === true && isRefusal(answer)) await incoming.network.charge();
  return answer;
}

/** Whether the request may have had no valid signature. One over the limit of its link has. */
function isRefusal(answer: Result<Response, Failure>): boolean {
  return !answer.ok && answer.error.tag !== "rate-limited" && httpStatusOf[answer.error.tag] < 500;
}

async function callHandler(
  { request, url, env, now }: Incoming,
  { route: { operation, handler }, params: raw }: Match,
  caller: Caller,
  trail: AuditTrail,
): Promise<Result<Response, Failure>> {
  const params = readParams(operation, raw);
  if (!params.ok && params.error.tag === "not-found") return params;
  const query = readQuery(operation, url);
  if (!query.ok) return query;
  if (!params.ok) return params;
  const room = new BodyRoom();
  try {
    const body = await readBody(operation, request, room);
    if (!body.ok) return body;
    const input = { params: params.value, query: query.value, ...body.value };
    await trail.note(input.params, input.body);
    const along = await trail.along();
    return await handler({ operation, request, url, env, caller, now, along, ...input });
  } finally {
    room.release();
  }
}

/**
 * Finds who calls and applies their rate limit: by key, or by network without a valid key. The
 * limit comes before the look-up: a refused request asks neither KV nor D1.
 */
async function identify(
  incoming: Incoming,
  operation: Operation,
): Promise<Result<Caller, Failure>> {
  const { request, env, network, now } = incoming;
  if (operation.access === "anyone") {
    const limited = await (operation.signed === true ? network.mayTry() : network.charge());
    return limited ?? ok({ role: "anonymous" });
  }
  const credential = await readCredential(request, env, now);
  if (!credential.ok)
    return credential.error.tag === "misconfigured"
      ? credential
      : ((await network.charge()) ?? credential);
  switch (credential.value.tag) {
    case "none":
      return (await network.charge()) ?? ok({ role: "anonymous" });
    case "operator": {
      incoming.countedBy = "key";
      const { caller } = credential.value;
      return (await hasRoom(env.RATE_LIMIT_KEY, caller.actor)) ? ok(caller) : tooMany;
    }
    case "key":
      return await identifyHolder(incoming, credential.value);
  }
}

/** A wrong key is answered 401 after its look-up, and counted for its network. */
async function identifyHolder(
  incoming: Incoming,
  credential: Extract<Credential, { tag: "key" }>,
): Promise<Result<Caller, Failure>> {
  const { request, env, network, now } = incoming;
  const { hash } = credential;
  const limited = isKnownKey(hash) ? null : await network.mayTry();
  if (limited !== null) return limited;
  incoming.countedBy = "key";
  if (!(await hasRoom(env.RATE_LIMIT_KEY, `key:${hash}`))) return tooMany;
  const found = await findKeyHolder(request, env, credential, now);
  if (found.ok) {
    const { caller, keyId } = found.value;
    if (caller.role === "tenant" && caller.of === "user" && caller.user.suspended !== undefined)
      return fail({ tag: "account-suspended" });
    if (caller.role === "tenant" && caller.of === "user") noteUser(env.DB, caller.user.userId, now);
    if (keyId !== null) noteKey(env.DB, keyId, now);
    return ok(caller);
  }
  if (found.error.tag === "unauthenticated") {
    incoming.countedBy = "ip";
    await network.charge();
  }
  return found;
}

/** A browser sends Access's cookie with requests that pages of other sites make, too. */
function refuseCrossSite(request: Request, caller: Caller): Failure | null {
  const isWrite = request.method !== "GET" && request.method !== "HEAD";
  return caller.role === "operator" && caller.byCookie && isWrite && isCrossSite(request)
    ? { tag: "forbidden", detail: "A page of another site must not write with your sign-in." }
    : null;
}

async function findRoute(method: string, url: URL): Promise<Match | null> {
  const match = (await router.fetch({ method, url: url.href })) as Match | undefined;
  return match ?? null;
}

/** OPTIONS, another method than the path has, or no such path. */
async function withoutRoute({ request, url, env }: Incoming): Promise<Result<Response, Failure>> {
  const methods: Method[] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
  const answers = await Promise.all(methods.map((method) => findRoute(method, url)));
  const allow: string[] = methods.filter((_, index) => answers[index] !== null);
  if (allow.includes("GET")) allow.splice(1, 0, "HEAD");
  if (allow.length === 0) return fail({ tag: "not-found", what: "path" });
  return request.method === "OPTIONS"
    ? ok(answerOptions(request, env, allow))
    : fail({ tag: "method-not-allowed", allow });
}
