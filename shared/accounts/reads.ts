import type { GenericSchema } from "valibot";
import { apiKeyKey, emailKey, relatedKey, teamKey, userKey, type RelatedRead } from "../cache/keys.ts";
import { readCached, type CacheEnv } from "../cache/open.ts";
import type { CacheRead, Consistency } from "../cache/read.ts";
import type { Result } from "../result.ts";
import { findPermissions, findSubscription, findTeams, findUsage, findWorkspaces } from "./related/store.ts";
import { permissions, subscription, teams, usage, user, workspaces, type User } from "./schemas.ts";
import { findUser } from "./store.ts";

/** Every read of an account, through the cache. Whatever is kept of a user carries the tag `user:{id}`: a write purges that. */

export type AccountPorts<Failure> = {
  env: CacheEnv & { DB: D1Database };
  /** Reads D1. */
  database: <Value>(read: () => Promise<Value>) => Promise<Result<Value, Failure>>;
};

export async function readUser<Failure>(
  { env, database }: AccountPorts<Failure>,
  userId: string,
  consistency: Consistency,
): Promise<CacheRead<User, Failure>> {
  const load = () => database(() => findUser(env.DB, { by: "userId", value: userId }));
  return await readCached(env, userKey(userId), { schema: user, tags: [], load, consistency });
}

export async function readUserByEmail<Failure>(
  { env, database }: AccountPorts<Failure>,
  email: string,
  consistency: Consistency,
): Promise<CacheRead<User, Failure>> {
  const load = () => database(() => findUser(env.DB, { by: "email", value: email }));
  return await readCached(env, emailKey(email), { schema: user, tags: tagsOfFound, load, consistency });
}

/** A key that was revoked must not work for longer than the bound, and keys that nobody has must not fill KV. */
export async function readUserByApiKey<Failure>(
  { env, database }: AccountPorts<Failure>,
  apiKeyHash: string,
  consistency: "bounded" | "strict",
): Promise<CacheRead<User, Failure>> {
  const load = () => database(() => findUser(env.DB, { by: "apiKeyHash", value: apiKeyHash }));
  return await readCached(env, apiKeyKey(apiKeyHash), {
    schema: user,
    tags: tagsOfFound,
    load,
    consistency,
    negativeIn: "memory",
  });
}

const tagsOfFound = (found: User | null): string[] => (found === null ? [] : [userKey(found.userId)]);

type Related<Value> = {
  schema: GenericSchema<unknown, Value>;
  find: (db: D1Database, userId: string) => Promise<Value | null>;
  /** What else it is about. */
  tags: (value: Value) => string[];
  /** Permissions are never stale, like keys. */
  consistency: Consistency;
};

const define = <Value>(definition: Related<Value>): Related<Value> => definition;
const nothingElse = (): string[] => [];

const related = {
  permissions: define({
    schema: permissions,
    find: findPermissions,
    tags: (found) => found.teams.map(({ teamId }) => teamKey(teamId)),
    consistency: "bounded",
  }),
  subscription: define({ schema: subscription, find: findSubscription, tags: nothingElse, consistency: "stale-ok" }),
  usage: define({ schema: usage, find: findUsage, tags: nothingElse, consistency: "stale-ok" }),
  teams: define({
    schema: teams,
    find: findTeams,
    tags: (found) => found.teams.map(({ teamId }) => teamKey(teamId)),
    consistency: "stale-ok",
  }),
  workspaces: define({
    schema: workspaces,
    find: findWorkspaces,
    tags: (found) => found.workspaces.flatMap(({ teamId }) => (teamId === null ? [] : [teamKey(teamId)])),
    consistency: "stale-ok",
  }),
} satisfies Record<RelatedRead, unknown>;

export async function readRelated<Failure>(
  { env, database }: AccountPorts<Failure>,
  userId: string,
  what: RelatedRead,
  wanted: Consistency,
): Promise<CacheRead<object, Failure>> {
  const { schema, find, tags, consistency } = related[what] as Related<object>;
  return await readCached(env, relatedKey(userId, what), {
    schema,
    load: () => database(() => find(env.DB, userId)),
    tags: (found) => [userKey(userId), ...(found === null ? [] : tags(found))],
    consistency: wanted === "stale-ok" ? consistency : wanted,
  });
}
