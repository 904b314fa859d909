import { LRUCache } from "lru-cache";
import { readKeyHolder, readUserByApiKey } from "../../shared/accounts/reads.ts";
import { readKey } from "../../shared/accounts/rules/key-format.ts";
import { holderOf, type Holder } from "../../shared/accounts/rules/key-holder.ts";
import {
  scopesOfRole,
  scopesOfUser,
  type OperatorRole,
} from "../../shared/accounts/rules/key-scopes.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { hex, sha256 } from "../../shared/lib/base/hash.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import type { CacheStatus } from "../../shared/lib/cache/index.ts";
import type { ApiEnv } from "../env.ts";
import { accessIdentity } from "./access-jwt.ts";
import { consistencyOf, failureOf } from "./cached.ts";
import type { Caller, OperatorCaller } from "./call.ts";
import { roleOfGroups } from "./rules/access-roles.ts";
import { authSettings } from "./settings.ts";

/**
 * What a request proves its caller with, before anything is looked up. `key`: a token that may be a
 * key. `first`: of the form of the first key of a user.
 */
export type Credential =
  | { tag: "none" }
  | { tag: "operator"; caller: OperatorCaller }
  | { tag: "key"; hash: string; first: boolean };

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
    const identity = access === null ? null : await accessIdentity(request, access, now);
    if (access === null || identity === null) return ok({ tag: "none" });
    const role = roleOfGroups(access.roles, identity.groups);
    return role === null ? fail(noRole) : ok(operator(role, identity.email, true));
  }
  const token = /^Bearer +([\u0021-\u007e]{1,512})$/i.exec(header)?.[1];
  const form = token === undefined ? "mistyped" : readKey(token);
  if (token === undefined || form === "mistyped") return fail({ tag: "unauthenticated" });
  const digest = await sha256(token);
  const hash = hex(digest);
  const fingerprint = hash.slice(0, 8);
  if (form !== "other") return ok({ tag: "key", hash, first: false });
  const isAdmin = await matchesAny(digest, admin);
  if (isAdmin) return ok(operator("admin", `admin:${fingerprint}`, false));
  if (readonly !== null && (await matchesAny(digest, [readonly])))
    return ok(operator("viewer", `viewer:${fingerprint}`, false));
  return ok({ tag: "key", hash, first: true });
}

const operator = (title: OperatorRole, actor: string, byCookie: boolean): Credential => ({
  tag: "operator",
  caller: {
    role: "operator",
    title,
    actor,
    name: null,
    byCookie,
    scopes: scopesOfRole[title],
  },
});

const noRole: Failure = {
  tag: "forbidden",
  detail: "Cloudflare Access signed you in, but none of your groups has a role (ACCESS_ROLES).",
};

/** Keys that were right when this isolate last looked them up. */
const rightKeys = new LRUCache<string, true>({ max: 10_000 });

export const isKnownKey = (hash: string): boolean => rightKeys.has(hash);

/** `keyId`: null for the first key of a user. */
type Found = { caller: Exclude<Caller, { role: "anonymous" }>; keyId: string | null };

/** Looks up who has a key. A key that nobody has is `unauthenticated`. */
export async function findKeyHolder(
  request: Request,
  env: ApiEnv,
  { hash, first }: Extract<Credential, { tag: "key" }>,
  now: number,
): Promise<Result<Found, Failure>> {
  const consistency = consistencyOf(request) === "strict" ? "strict" : "bounded";
  const found = first
    ? await findUser(env, hash, consistency)
    : await findHolder(env, hash, { consistency, now });
  if (!found.ok) return found;
  if (found.value === null) {
    rightKeys.delete(hash);
    return fail({ tag: "unauthenticated" });
  }
  rightKeys.set(hash, true);
  return ok(found.value);
}

type LookedUp = Promise<Result<Found | null, Failure>>;

/** By the first key of a user, which does all that the user may. */
async function findUser(env: ApiEnv, hash: string, consistency: "bounded" | "strict"): LookedUp {
  const { status: cacheStatus, ...read } = await readUserByApiKey(env, hash, consistency);
  if (!read.ok) return fail(failureOf(read.error));
  if (read.value === null) return ok(null);
  const scopes = scopesOfUser(read.value.scopes);
  const byKey = { role: "tenant" as const, of: "user" as const, test: false, cacheStatus };
  return ok({ caller: { ...byKey, user: read.value, scopes }, keyId: null });
}

async function findHolder(
  env: ApiEnv,
  hash: string,
  { consistency, now }: { consistency: "bounded" | "strict"; now: number },
): LookedUp {
  const read = await readKeyHolder(env, hash, consistency);
  if (!read.ok) return fail(failureOf(read.error));
  const holder = read.value === null ? null : holderOf(read.value, now);
  if (holder === null) return ok(null);
  return ok({ caller: callerWith(holder, read.status), keyId: holder.keyId });
}

function callerWith(holder: Holder, cacheStatus: CacheStatus): Found["caller"] {
  switch (holder.of) {
    case "operator": {
      const { name, role: title, scopes, keyId } = holder;
      return { role: "operator", title, actor: `key:${keyId}`, name, byCookie: false, scopes };
    }
    case "user":
    case "team": {
      const { keyId: _, ...rest } = holder;
      return { role: "tenant", ...rest, cacheStatus };
    }
  }
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
