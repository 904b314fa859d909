import { readUserByApiKey } from "../../shared/accounts/reads.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { hex, sha256 } from "../../shared/lib/base/hash.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";
import { accessEmail } from "./access-jwt.ts";
import { consistencyOf, failureOf } from "./cached.ts";
import type { Caller } from "./call.ts";
import { authSettings } from "./settings.ts";

/**
 * Finds who calls, by bearer token or by sign-in through Access. A request without a token is
 * `anonymous`; a wrong token is refused.
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
 * Compares all digests in constant time, so that timing reveals neither content nor length of a
 * secret.
 */
async function matchesAny(digest: ArrayBuffer, secrets: readonly string[]): Promise<boolean> {
  let matches = false;
  for (const secret of secrets)
    matches = crypto.subtle.timingSafeEqual(digest, await digestOf(secret)) || matches;
  return matches;
}

/** Operators' tokens rarely change: their digests are kept between requests. */
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
