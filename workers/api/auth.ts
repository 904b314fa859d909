import { readUserByApiKey } from "../../shared/accounts/reads.ts";
import { adminToken } from "../../shared/config.ts";
import type { ApiEnv } from "../../shared/env.ts";
import type { Failure } from "../../shared/failure.ts";
import { hex, sha256 } from "../../shared/hash.ts";
import { fail, ok, type Result } from "../../shared/result.ts";
import type { Caller } from "./call.ts";
import { consistencyOf, failureOf } from "./cached.ts";
import { readDatabase } from "./database.ts";

/** Who may call a route. */
export type Access =
  | "anyone"
  | "admin"
  /** Any valid token. */
  | "caller"
  /** The admin, or the user named in the path. */
  | "self"
  /** The admin, or a user whose key has the scope `emails:send`. */
  | "mailer";

/** Finds out who holds the bearer token. No token at all is `anonymous`; a wrong one is refused. */
export async function authenticate(request: Request, env: ApiEnv): Promise<Result<Caller, Failure>> {
  const header = request.headers.get("Authorization");
  if (header === null) return ok({ role: "anonymous" });
  const token = /^Bearer +([\u0021-\u007e]{1,512})$/i.exec(header)?.[1];
  if (token === undefined) return fail({ tag: "unauthenticated" });
  const admin = adminToken(env);
  if (!admin.ok) return admin;
  const digest = await sha256(token);
  const hash = hex(digest);
  // Digests, in constant time, so that neither content nor length of the secret shows in the timing.
  if (crypto.subtle.timingSafeEqual(digest, await digestOfAdmin(admin.value)))
    return ok({ role: "admin", actor: `admin:${hash.slice(0, 8)}` });
  const consistency = consistencyOf(request) === "strict" ? "strict" : "bounded";
  const user = await readUserByApiKey({ env, database: (read) => readDatabase(env, read) }, hash, consistency);
  if (!user.ok) return fail(failureOf(user.error));
  return user.value === null ? fail({ tag: "unauthenticated" }) : ok({ role: "user", user: user.value, cacheStatus: user.status });
}

/** The admin's token is the same for each request. */
let admins: { token: string; digest: ArrayBuffer } | null = null;
async function digestOfAdmin(token: string): Promise<ArrayBuffer> {
  if (admins?.token !== token) admins = { token, digest: await sha256(token) };
  return admins.digest;
}

/** Decides whether a caller may use a route. An endpoint that answers about objects of several owners checks those itself. */
export function authorize(access: Access, caller: Caller, params: Record<string, string>): Failure | null {
  if (access === "anyone" || caller.role === "admin") return null;
  if (caller.role === "anonymous") return { tag: "unauthenticated" };
  switch (access) {
    case "caller":
      return null;
    case "admin":
      return { tag: "forbidden", detail: "This needs the admin token." };
    case "self":
      return caller.user.userId === params["userId"] ? null : { tag: "forbidden", detail: "This key belongs to another user." };
    case "mailer":
      return caller.user.scopes.includes("emails:send")
        ? null
        : { tag: "forbidden", detail: "This key lacks the scope emails:send. The admin grants it with PATCH /api/users/:userId." };
  }
}
