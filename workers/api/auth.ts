import { readUserByApiKey } from "../../shared/accounts/reads.ts";
import type { Access } from "../../shared/contract/operation.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { hex, sha256 } from "../../shared/lib/base/hash.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";
import { accessEmail } from "./access-jwt.ts";
import { consistencyOf, failureOf } from "./cached.ts";
import type { Caller } from "./call.ts";
import { authSettings } from "./settings.ts";

/**
 * Finds out who calls: by the bearer token, or signed in through Access. No token at all is
 * `anonymous`; a wrong one is refused.
 */
export async function authenticate(
  request: Request,
  env: ApiEnv,
  now: number,
): Promise<Result<Caller, Failure>> {
  const settings = authSettings(env);
  if (!settings.ok) return settings;
  const { admin, readonly, access } = settings.value;
  const header = request.headers.get("Authorization");
  if (header === null) {
    const email = access === null ? null : await accessEmail(request, access, now);
    return ok(
      email === null ? { role: "anonymous" } : { role: "admin", actor: email, byCookie: true },
    );
  }
  const token = /^Bearer +([\u0021-\u007e]{1,512})$/i.exec(header)?.[1];
  if (token === undefined) return fail({ tag: "unauthenticated" });
  const digest = await sha256(token);
  const hash = hex(digest);
  const fingerprint = hash.slice(0, 8);
  const isAdmin = await matchesAny(digest, admin);
  if (isAdmin) return ok({ role: "admin", actor: `admin:${fingerprint}`, byCookie: false });
  if (readonly !== null && (await matchesAny(digest, [readonly])))
    return ok({ role: "viewer", actor: `viewer:${fingerprint}` });
  const consistency = consistencyOf(request) === "strict" ? "strict" : "bounded";
  const user = await readUserByApiKey(env, hash, consistency);
  if (!user.ok) return fail(failureOf(user.error));
  return user.value === null
    ? fail({ tag: "unauthenticated" })
    : ok({ role: "user", user: user.value, cacheStatus: user.status });
}

/**
 * Digests, all of them and in constant time, so that neither content nor length of a secret shows
 * in the timing.
 */
async function matchesAny(digest: ArrayBuffer, secrets: readonly string[]): Promise<boolean> {
  let matches = false;
  for (const secret of secrets)
    matches = crypto.subtle.timingSafeEqual(digest, await digestOf(secret)) || matches;
  return matches;
}

/** The operators' tokens are the same for each request. */
const digests = new Map<string, ArrayBuffer>();
const MAX_DIGESTS = 10;

async function digestOf(secret: string): Promise<ArrayBuffer> {
  const known = digests.get(secret);
  if (known !== undefined) return known;
  if (digests.size >= MAX_DIGESTS) digests.clear();
  const digest = await sha256(secret);
  digests.set(secret, digest);
  return digest;
}

/**
 * Decides whether a caller may use a route. An endpoint that answers about objects of several
 * owners checks those itself.
 *
 * @param params of the path
 */
export function authorize(
  access: Access,
  caller: Caller,
  params: Record<string, string>,
): Failure | null {
  if (access === "anyone") return null;
  if (caller.role === "anonymous") return { tag: "unauthenticated" };
  const isAdmin = caller.role === "admin";
  const isViewer = isAdmin || caller.role === "viewer";
  const isUser = caller.role === "user";
  switch (access) {
    case "admin":
      return isAdmin ? null : forbidden("This needs the admin token.");
    case "viewer":
      return isViewer ? null : forbidden("This needs the admin token, or the one for reading.");
    case "reader":
      return null;
    case "user":
      return isUser ? null : forbidden("This needs the key of a user: this token belongs to none.");
    case "caller":
      return isAdmin || isUser ? null : readOnly;
    case "self":
      if (isAdmin) return null;
      if (!isUser) return readOnly;
      return caller.user.userId === params["userId"]
        ? null
        : forbidden("This key belongs to another user.");
    case "mailer":
      if (isAdmin) return null;
      if (!isUser) return readOnly;
      return caller.user.scopes.includes("emails:send")
        ? null
        : forbidden(
            "This key lacks the scope emails:send. The admin grants it with PATCH /api/users/:userId.",
          );
  }
}

const forbidden = (detail: string): Failure => ({ tag: "forbidden", detail });
const readOnly = forbidden("This token may look at what operators look at, and nothing else.");
