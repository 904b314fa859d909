import { tenantOfUser } from "../../shared/accounts/rules/keys.ts";
import type { User } from "../../shared/accounts/rules/schemas.ts";
import type {
  Access,
  BodyOf,
  Operation,
  ParamsOf,
  QueryOf,
} from "../../shared/contract/operation.ts";
import type { OperationId, Operations } from "../../shared/contract/operations.ts";
import { mayNameAddress } from "../../shared/database/rules/audit-changes.ts";
import { ADMIN_TENANT, type Along } from "../../shared/email/outbox.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { ok, type Result } from "../../shared/lib/base/result.ts";
import type { CacheStatus } from "../../shared/lib/cache/index.ts";
import type { ApiEnv } from "../env.ts";

/**
 * Who calls, as `authenticate` found it. `viewer` holds the read-only token. `actor` names the
 * caller in histories: an operator's address, or the fingerprint of a token. `byCookie`: the
 * browser sends this credential automatically, including on cross-site requests.
 */
export type Caller =
  | { role: "anonymous" }
  | { role: "admin"; actor: string; byCookie: boolean }
  | { role: "viewer"; actor: string }
  | { role: "user"; user: User; cacheStatus: CacheStatus };

/** An actor as a log line names them: Access names an operator by their address. */
export const loggedActor = (actor: string): string =>
  mayNameAddress(actor) ? "an operator" : actor;

/** A tenant is the owner of the key. */
export function tenantOf(caller: Caller): string {
  return caller.role === "user" ? tenantOfUser(caller.user.userId) : ADMIN_TENANT;
}

/** The roles that `authorize` lets through. */
type RoleOf = {
  anyone: "anonymous";
  admin: "admin";
  viewer: "admin" | "viewer";
  user: "user";
  reader: "admin" | "viewer" | "user";
  caller: "admin" | "user";
  self: "admin" | "user";
  mailer: "admin" | "user";
};

/** Null for the admin, who is not a user. */
export function userIdOf(caller: Caller): string | null {
  return caller.role === "user" ? caller.user.userId : null;
}

export type CallerOf<Needed extends Access> = Extract<Caller, { role: RoleOf[Needed] }>;

type KeyOf<Called extends Operation> = Called extends { idempotent: true }
  ? string | null
  : undefined;

/**
 * What every handler gets. `now`: the request's time in milliseconds since the epoch. `along`: what
 * writes the audit log in the batch of an operator's write; null if nothing does.
 */
type AnyCall = {
  operation: Operation;
  request: Request;
  url: URL;
  env: ApiEnv;
  caller: Caller;
  now: number;
  along: Along | null;
  params: Record<string, string>;
  query: unknown;
  body: unknown;
  /** The Idempotency-Key; null if the request has none. */
  idempotencyKey: string | null | undefined;
};

/**
 * A request on its way to the handler of one operation. Params, query, body and caller are what the
 * operation demands. `operation` ties a handler to its own operation.
 */
export type Call<Id extends OperationId> = AnyCall & {
  operation: Operations[Id];
  caller: CallerOf<Operations[Id]["access"]>;
  params: ParamsOf<Operations[Id]>;
  query: QueryOf<Operations[Id]>;
  body: BodyOf<Operations[Id]>;
  idempotencyKey: KeyOf<Operations[Id]>;
};

type Answer = Promise<Result<Response, Failure>>;
export type Handler<Id extends OperationId> = (call: Call<Id>) => Answer;
/** A handler for each operation, under the operation's id. */
export type Handlers = { readonly [Id in OperationId]: Handler<Id> };
/** Some handler. Only `dispatch` calls one, with a call that it made for this operation. */
export type AnyHandler = (call: AnyCall) => Answer;

/** A JSON answer that no cache on the way may keep. */
export function json(
  body: unknown,
  init: { status?: number; headers?: Record<string, string> } = {},
): Result<Response, never> {
  return ok(
    Response.json(body, {
      status: init.status ?? 200,
      headers: { "Cache-Control": "no-store", ...init.headers },
    }),
  );
}

export const noContent = (): Result<Response, never> => ok(new Response(null, { status: 204 }));
