import type { ApiEnv } from "../env.ts";
import { corsOrigins, logMisconfigured } from "./settings.ts";

/**
 * Pages of other origins: https://fetch.spec.whatwg.org/#http-cors-protocol. Only those of
 * `CORS_ORIGINS`, and without cookies.
 */

const ALLOW_HEADERS = "Authorization, Content-Type, Idempotency-Key, Cache-Control";
const EXPOSE_HEADERS =
  "X-Request-Id, Location, Retry-After, RateLimit-Policy, Cache-Status, Idempotency-Replayed, " +
  "Allow";
const MAX_AGE_SECONDS = 7_200;

/** Adds the headers that let a browser's page read the answer. */
export function addCorsHeaders(headers: Headers, request: Request, env: ApiEnv): void {
  headers.append("Vary", "Origin");
  const origin = allowedOrigin(request, env);
  if (origin === null) return;
  headers.set("Access-Control-Allow-Origin", origin);
  headers.set("Access-Control-Expose-Headers", EXPOSE_HEADERS);
  headers.set("Cross-Origin-Resource-Policy", "cross-origin");
}

/** The answer to OPTIONS. @param allow methods of the path */
export function answerOptions(request: Request, env: ApiEnv, allow: string[]): Response {
  const headers = new Headers({ Allow: [...allow, "OPTIONS"].join(", ") });
  if (
    allowedOrigin(request, env) !== null &&
    request.headers.has("Access-Control-Request-Method")
  ) {
    headers.set("Access-Control-Allow-Methods", allow.join(", "));
    headers.set("Access-Control-Allow-Headers", ALLOW_HEADERS);
    headers.set("Access-Control-Max-Age", String(MAX_AGE_SECONDS));
  }
  return new Response(null, { status: 204, headers });
}

/**
 * Whether a browser sent this from a page of another site. Such a page must not write with the
 * cookie of an operator.
 */
export function isCrossSite(request: Request): boolean {
  const origin = request.headers.get("Origin");
  return origin !== null && origin !== new URL(request.url).origin;
}

function allowedOrigin(request: Request, env: ApiEnv): string | null {
  const origin = request.headers.get("Origin");
  if (origin === null) return null;
  const origins = corsOrigins(env);
  if (origins.ok) return origins.value.includes(origin) ? origin : null;
  logMisconfigured("cors", origins.error);
  return null;
}
