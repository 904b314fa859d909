import { LRUCache } from "lru-cache";
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
 * What a request proves its caller with, before anything is looked up. `key`: a token that may be
 * the key of a user.
 */
export type Credential =
  | { tag: "none" }
  | { tag: "operator"; caller: Extract<Caller, { role: "admin" | "viewer" }> }
  | { tag: "key"; hash: string };

/** Reads the bearer token, or the sign-in through Access. A token of another form is refused. */
export async function readCredential(
  request: Request,
  env: ApiEnv,
  now: number,
): Promise<Result<Credential, Failure>> {
  const settings = authSettings(env);
  if (!settings.ok) return settings;
  const { admin, readonly, access } = settings.value;
  const header = request.headers.get("Authorization");
  if (header === null) {
    const email = access === null ? null : await accessEmail(request, access, now);
    return ok(email === null ? { tag: "none" } : asAdmin(email, true));
  }
  const token = /^Bearer +([\u0021-\u007e]{1,512})$/i.exec(header)?.[1];
  if (token === undefined) return fail({ tag: "unauthenticated" });
  const digest = await sha256(token);
  const hash = hex(digest);
  const fingerprint = hash.slice(0, 8);
  const isAdmin = await matchesAny(digest, admin);
  if (isAdmin) return ok(asAdmin(`admin:${fingerprint}`, false));
  if (readonly !== null && (await matchesAny(digest, [readonly])))
    return ok({ tag: "operator", caller: { role: "viewer", actor: `viewer:${fingerprint}` } });
  return ok({ tag: "key", hash });
}

const asAdmin = (actor: string, byCookie: boolean): Credential => ({
  tag: "operator",
  caller: { role: "admin", actor, byCookie },
});

/** Keys that were right when this isolate last looked them up. */
const rightKeys = new LRUCache<string, true>({ max: 10_000 });

export const isKnownKey = (hash: string): boolean => rightKeys.has(hash);

/** Looks up the user of a key. A key that no user has is `unauthenticated`. */
export async function findKeyHolder(
  request: Request,
  env: ApiEnv,
  hash: string,
): Promise<Result<Extract<Caller, { role: "user" }>, Failure>> {
  const consistency = consistencyOf(request) === "strict" ? "strict" : "bounded";
  const user = await readUserByApiKey(env, hash, consistency);
  if (!user.ok) return fail(failureOf(user.error));
  if (user.value === null) {
    rightKeys.delete(hash);
    return fail({ tag: "unauthenticated" });
  }
  rightKeys.set(hash, true);
  return ok({ role: "user", user: user.value, cacheStatus: user.status });
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
