import type * as v from "valibot";
import { readDatabase, type ReadFailure } from "../database/read.ts";
import type { CacheRead, Consistency } from "../lib/cache/index.ts";
import { readCached, type CountedCacheEnv } from "./cache.ts";
import {
  apiKeyKey,
  emailKey,
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
import {
  findPermissions,
  findSubscription,
  findTeams,
  findUsage,
  findWorkspaces,
} from "./sql/related-reads.ts";
import { findUser } from "./sql/users.ts";

/**
 * Every read of an account, through the cache. Every entry about a user carries the tag
 * `user:{id}`, which each write to the user purges.
 */

/** The bindings that a read of an account needs. */
export type AccountEnv = CountedCacheEnv & { DB: D1Database };

export async function readUser(
  env: AccountEnv,
  userId: string,
  consistency: Consistency,
): Promise<CacheRead<User, ReadFailure>> {
  const load = () => readDatabase(env, () => findUser(env.DB, { by: "userId", value: userId }));
  return await readCached(env, userKey(userId), { schema: user, tags: [], load, consistency });
}

export async function readUserByEmail(
  env: AccountEnv,
  email: string,
  consistency: Consistency,
): Promise<CacheRead<User, ReadFailure>> {
  const load = () => readDatabase(env, () => findUser(env.DB, { by: "email", value: email }));
  return await readCached(env, emailKey(email), {
    schema: user,
    tags: tagsOfFound,
    load,
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
  const load = () =>
    readDatabase(env, () => findUser(env.DB, { by: "apiKeyHash", value: apiKeyHash }));
  return await readCached(env, apiKeyKey(apiKeyHash), {
    schema: user,
    tags: tagsOfFound,
    load,
    consistency,
    negativeIn: "memory",
  });
}

const tagsOfFound = (found: User | null): string[] =>
  found === null ? [] : [userKey(found.userId)];

type Related<Value> = {
  schema: v.GenericSchema<unknown, Value>;
  find: (db: D1Database, userId: string) => Promise<Value | null>;
  /** Further tags, besides the user's. */
  tags: (value: Value) => string[];
  /** The default. Permissions, like API keys, are never served stale. */
  consistency: Consistency;
};

const noFurtherTags = (): string[] => [];

const ofTeams = (found: { teams: readonly { teamId: string }[] }): string[] =>
  found.teams.map(({ teamId }) => teamKey(teamId));

const related = {
  permissions: {
    schema: permissions,
    find: findPermissions,
    tags: ofTeams,
    consistency: "bounded",
  } satisfies Related<v.InferOutput<typeof permissions>>,
  subscription: {
    schema: subscription,
    find: findSubscription,
    tags: noFurtherTags,
    consistency: "stale-ok",
  } satisfies Related<v.InferOutput<typeof subscription>>,
  usage: {
    schema: usage,
    find: findUsage,
    tags: noFurtherTags,
    consistency: "stale-ok",
  } satisfies Related<v.InferOutput<typeof usage>>,
  teams: {
    schema: teams,
    find: findTeams,
    tags: ofTeams,
    consistency: "stale-ok",
  } satisfies Related<v.InferOutput<typeof teams>>,
  workspaces: {
    schema: workspaces,
    find: findWorkspaces,
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
  const { schema, find, tags, consistency } = related[what] as Related<object>;
  return await readCached(env, relatedKey(userId, what), {
    schema,
    load: () => readDatabase(env, () => find(env.DB, userId)),
    tags: (found) => [userKey(userId), ...(found === null ? [] : tags(found))],
    consistency: wanted === "stale-ok" ? consistency : wanted,
  });
}
