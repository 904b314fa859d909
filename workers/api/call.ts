import type { KeyTeam } from "../../shared/accounts/rules/key-holder.ts";
import type { KeyScope, OperatorRole } from "../../shared/accounts/rules/key-scopes.ts";
import { tenantOfTeam, tenantOfUser } from "../../shared/accounts/rules/keys.ts";
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

type Anonymous = { role: "anonymous" };

/**
 * `title`: the role that the scopes follow from; null for a key with scopes of its own. `actor`
 * names the operator in histories: an address, the fingerprint of a token, or the id of a key.
 * `name`: of a key. `byCookie`: the browser sends this credential automatically, including on
 * cross-site requests.
 */
export type OperatorCaller = {
  role: "operator";
  title: OperatorRole | null;
  actor: string;
  name: string | null;
  byCookie: boolean;
  scopes: readonly KeyScope[];
};

/** `test`: the key is for tests: its emails go nowhere. */
type ByKey = {
  role: "tenant";
  scopes: readonly KeyScope[];
  test: boolean;
  cacheStatus: CacheStatus;
};
export type UserCaller = ByKey & { of: "user"; user: User };
export type TeamCaller = ByKey & { of: "team"; team: KeyTeam };

/** Who calls, as `authenticate` found it. */
export type Caller = Anonymous | OperatorCaller | UserCaller | TeamCaller;

/** An actor as a log line names them: Access names an operator by their address. */
export const loggedActor = (actor: string): string =>
  mayNameAddress(actor) ? "an operator" : actor;

/** A tenant is the owner of the key. */
export function tenantOf(caller: Caller): string {
  if (caller.role !== "tenant") return ADMIN_TENANT;
  return caller.of === "user" ? tenantOfUser(caller.user.userId) : tenantOfTeam(caller.team.teamId);
}

/** Whose objects a caller may use: null is everyone's. */
export const ownerOf = (caller: OperatorCaller | UserCaller | TeamCaller): string | null =>
  caller.role === "tenant" ? tenantOf(caller) : null;

/** Whom `authorize` lets through. */
type Callers = {
  anyone: Anonymous;
  admin: OperatorCaller;
  viewer: OperatorCaller;
  user: UserCaller;
  reader: OperatorCaller | UserCaller | TeamCaller;
  caller: OperatorCaller | UserCaller | TeamCaller;
  person: OperatorCaller | UserCaller;
  self: OperatorCaller | UserCaller;
  mailer: OperatorCaller | UserCaller | TeamCaller;
};

/** Null for an operator, who is not a user. */
export function userIdOf(caller: OperatorCaller | UserCaller): string | null {
  return caller.role === "tenant" ? caller.user.userId : null;
}

/** How the audit log and histories name who acts. */
export function actorOf(caller: OperatorCaller | UserCaller | TeamCaller): string {
  return caller.role === "operator" ? caller.actor : tenantOf(caller);
}

export type CallerOf<Needed extends Access> = Callers[Needed];

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
