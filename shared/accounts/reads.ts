import type * as v from "valibot";
import { readDatabase, type ReadFailure } from "../database/read.ts";
import { ok, type Result } from "../lib/base/result.ts";
import type { CacheRead, Consistency, Keep } from "../lib/cache/index.ts";
import { readCounted, type CountedCacheEnv } from "./counted-cache.ts";
import { keyHolder, type KeyHolder } from "./rules/key-holder.ts";
import {
  apiKeyKey,
  emailKey,
  keyHolderKey,
  keyTag,
  relatedKey,
  teamKey,
  userKey,
  type RelatedRead,
} from "./rules/keys.ts";
import {
  permissions,
  subscription,
  teams,
  usage,
  user,
  workspaces,
  type User,
} from "./rules/schemas.ts";
import { findAccount, type UserAccount } from "./sql/account.ts";
import { findHolderOf } from "./sql/key-holders.ts";
import { findTeams, findWorkspaces } from "./sql/related-reads.ts";
import type { UserLookup } from "./sql/users.ts";

/**
 * Every read of an account, through the cache. Every entry about a user carries the tag
 * `user:{id}`, which each write to the user purges.
 */

/** The bindings that a read of an account needs. */
export type AccountEnv = CountedCacheEnv & { DB: D1Database };

/**
 * A load of one part of an account. One round trip reads every part that nearly every request
 * needs, so a miss of one of them keeps the others too.
 */
function loadAccount<Value>(env: AccountEnv, lookup: UserLookup, part: (of: UserAccount) => Value) {
  return async (_signal: AbortSignal, keep: Keep): Promise<Result<Value | null, ReadFailure>> => {
    const found = await readDatabase(env, () => findAccount(env.DB, lookup));
    if (!found.ok) return found;
    const account = found.value;
    if (account === null) return ok(null);
    const { userId } = account.user;
    keep(userKey(userId), account.user, { schema: user, tags: [] });
    for (const what of ["permissions", "subscription", "usage"] as const) {
      const { schema, tags } = related[what] as Related<object>;
      const value = account[what];
      if (value !== null)
        keep(relatedKey(userId, what), value, { schema, tags: [userKey(userId), ...tags(value)] });
    }
    return ok(part(account));
  };
}

export async function readUser(
  env: AccountEnv,
  userId: string,
  consistency: Consistency,
): Promise<CacheRead<User, ReadFailure>> {
  return await readCounted(env, userKey(userId), {
    schema: user,
    tags: [],
    load: loadAccount(env, { by: "userId", value: userId }, (account) => account.user),
    consistency,
  });
}

export async function readUserByEmail(
  env: AccountEnv,
  email: string,
  consistency: Consistency,
): Promise<CacheRead<User, ReadFailure>> {
  return await readCounted(env, emailKey(email), {
    schema: user,
    tags: tagsOfFound,
    load: loadAccount(env, { by: "email", value: email }, (account) => account.user),
    consistency,
  });
}

/**
 * Reads the user of an API key. Reads are at least bounded: a revoked key must not work for longer.
 * Absence is cached in memory only, so that invalid keys do not fill KV.
 */
export async function readUserByApiKey(
  env: AccountEnv,
  apiKeyHash: string,
  consistency: "bounded" | "strict",
): Promise<CacheRead<User, ReadFailure>> {
  return await readCounted(env, apiKeyKey(apiKeyHash), {
    schema: user,
    tags: tagsOfFound,
    load: loadAccount(env, { by: "apiKeyHash", value: apiKeyHash }, (account) => account.user),
    consistency,
    negativeIn: "memory",
  });
}

/**
 * Reads who has a key other than a user's first one, as bounded as that. A change of the user, or
 * the end of the team, purges it, too.
 */
export async function readKeyHolder(
  env: AccountEnv,
  hash: string,
  consistency: "bounded" | "strict",
): Promise<CacheRead<KeyHolder, ReadFailure>> {
  return await readCounted(env, keyHolderKey(hash), {
    schema: keyHolder,
    tags: (found) =>
      found === null
        ? []
        : [
            keyTag(found.keyId),
            ...(found.user === null ? [] : [userKey(found.user.userId)]),
            ...(found.team === null ? [] : [teamKey(found.team.teamId)]),
          ],
    load: () => readDatabase(env, () => findHolderOf(env.DB, hash)),
    consistency,
    negativeIn: "memory",
  });
}

const tagsOfFound = (found: User | null): string[] =>
  found === null ? [] : [userKey(found.userId)];

type Related<Value> = {
  schema: v.GenericSchema<unknown, Value>;
  load: (env: AccountEnv, userId: string) => Load<Value>;
  /** Further tags, besides the user's. */
  tags: (value: Value) => string[];
  /** The default. Permissions, like API keys, are never served stale. */
  consistency: Consistency;
};
type Load<Value> = (signal: AbortSignal, keep: Keep) => Promise<Result<Value | null, ReadFailure>>;

/** The load of a part of the account. */
const ofAccount =
  <Part extends "permissions" | "subscription" | "usage">(part: Part) =>
  (env: AccountEnv, userId: string) =>
    loadAccount(env, { by: "userId", value: userId }, (account) => account[part]);

const noFurtherTags = (): string[] => [];

const ofTeams = (found: { teams: readonly { teamId: string }[] }): string[] =>
  found.teams.map(({ teamId }) => teamKey(teamId));

const related = {
  permissions: {
    schema: permissions,
    load: ofAccount("permissions"),
    tags: ofTeams,
    consistency: "bounded",
  } satisfies Related<v.InferOutput<typeof permissions>>,
  subscription: {
    schema: subscription,
    load: ofAccount("subscription"),
    tags: noFurtherTags,
    consistency: "stale-ok",
  } satisfies Related<v.InferOutput<typeof subscription>>,
  usage: {
    schema: usage,
    load: ofAccount("usage"),
    tags: noFurtherTags,
    consistency: "stale-ok",
  } satisfies Related<v.InferOutput<typeof usage>>,
  teams: {
    schema: teams,
    load: (env, userId) => () => readDatabase(env, () => findTeams(env.DB, userId)),
    tags: (found) => [...ofTeams(found), ...ofTeams({ teams: found.pending })],
    consistency: "stale-ok",
  } satisfies Related<v.InferOutput<typeof teams>>,
  workspaces: {
    schema: workspaces,
    load: (env, userId) => () => readDatabase(env, () => findWorkspaces(env.DB, userId)),
    tags: (found) =>
      found.workspaces.flatMap(({ teamId }) => (teamId === null ? [] : [teamKey(teamId)])),
    consistency: "stale-ok",
  } satisfies Related<v.InferOutput<typeof workspaces>>,
} satisfies Record<RelatedRead, unknown>;

export async function readRelated(
  env: AccountEnv,
  userId: string,
  what: RelatedRead,
  wanted: Consistency,
): Promise<CacheRead<object, ReadFailure>> {
  const { schema, load, tags, consistency } = related[what] as Related<object>;
  return await readCounted(env, relatedKey(userId, what), {
    schema,
    load: load(env, userId),
    tags: (found) => [userKey(userId), ...(found === null ? [] : tags(found))],
    consistency: wanted === "stale-ok" ? consistency : wanted,
  });
}
