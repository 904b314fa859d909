import { env, exports } from "cloudflare:workers";
import { dispatch } from "../../workers/api/dispatch.ts";
import type { ApiEnv } from "../../workers/env.ts";
import { callApi, type Answer, type CallOptions } from "../support/http.ts";

/** Calls the Worker as the runtime does. */
export const call = (
  method: string,
  path: string,
  body?: unknown,
  options?: CallOptions,
): Promise<Answer> =>
  callApi((at, init) => exports.default.fetch(new Request(`http://luna.test${at}`, init)), {
    method,
    path,
    body,
    ...options,
  });

/**
 * Calls the Worker with some of its bindings replaced, by ones that fail for example. It has
 * breakers and a cache of its own, so that what fails here opens no breaker for others, and that
 * nothing is cached yet.
 */
export function callWith(changes: Partial<ApiEnv>) {
  const bindings = {
    ...env,
    CIRCUIT_BREAKER: freshBreakers(),
    CACHE_TAG_INDEX: freshTagIndex(),
    ...changes,
  };
  return (method: string, path: string, body?: unknown, options?: CallOptions): Promise<Answer> =>
    callApi((at, init) => dispatch(new Request(`http://luna.test${at}`, init), bindings), {
      method,
      path,
      body,
      ...options,
    });
}

/** Calls a Worker with a defect: an unexpected exception. */
export function callDefective(
  method: string,
  path: string,
  body?: unknown,
  options?: CallOptions,
): Promise<Answer> {
  const bindings = new Proxy(env, {
    get(target, name) {
      if (/^(RATE_LIMIT|WEBHOOK_SECRET)/.test(String(name))) throw new Error("a defect");
      return Reflect.get(target, name) as unknown;
    },
  });
  return callApi((at, init) => dispatch(new Request(`http://luna.test${at}`, init), bindings), {
    method,
    path,
    body,
    ...options,
  });
}

let fleets = 0;

/** The real objects, under unused names. */
export function freshBreakers(): ApiEnv["CIRCUIT_BREAKER"] {
  const fleet = (fleets += 1);
  return {
    getByName: (name: string) => env.CIRCUIT_BREAKER.getByName(`${name}#${fleet}`),
  } as ApiEnv["CIRCUIT_BREAKER"];
}

/** A real tag index of its own: what KV holds of other indexes is nothing to it. */
function freshTagIndex(): ApiEnv["CACHE_TAG_INDEX"] {
  const fleet = (fleets += 1);
  return {
    getByName: (name: string) => env.CACHE_TAG_INDEX.getByName(`${name}#${fleet}`),
  } as ApiEnv["CACHE_TAG_INDEX"];
}

/** A user of the API with their key. Each has a name that is new in its file. */
export type TestUser = { userId: string; email: string; token: string };

let users = 0;

export async function signUpAs(
  tier: "free" | "pro" | "enterprise",
  given: Partial<Omit<TestUser, "token">> = {},
): Promise<TestUser> {
  users += 1;
  const user = { userId: `${tier}-${users}`, email: `${tier}-${users}@example.com`, ...given };
  const { status, body } = await call("POST", "/api/users", { ...user, tier });
  if (status !== 201) throw new Error(`The sign-up of ${user.userId} answered ${status}.`);
  return { ...user, token: body.apiKey as string };
}

export async function rows(table: string): Promise<number> {
  return (await env.DB.prepare(`SELECT COUNT(*) AS n FROM ${table}`).first<number>("n")) ?? -1;
}

/** What requests write, except what the Worker notes of them. */
export const tables = [
  "users",
  "usage_metrics",
  "subscriptions",
  "address_changes",
  "teams",
  "team_members",
  "pending_members",
  "workspaces",
  "emails",
  "email_events",
  "dead_letters",
  "idempotency_keys",
  "purge_intents",
  "suppressions",
  "senders",
  "email_templates",
  "email_template_versions",
  "webhook_messages",
];

/** How many rows each table has: what a refused request must not change. */
export async function rowsInAll(): Promise<Record<string, number>> {
  return Object.fromEntries(
    await Promise.all(tables.map(async (table) => [table, await rows(table)] as const)),
  );
}

/** A D1 that answers nothing. */
export const deadDatabase = {
  prepare: () => {
    const statement = { bind: () => statement, first: down, all: down, run: down };
    return statement;
  },
  batch: down,
} as unknown as D1Database;

async function down(): Promise<never> {
  // As workerd throws it: without the prefix of D1's own errors.
  throw new Error("Network connection lost.");
}
