import type { KeyScope } from "../../shared/accounts/rules/key-scopes.ts";
import type { Operation } from "../../shared/contract/operation.ts";
import { scopeNamed } from "../../shared/contract/scopes.ts";
import type { Failure } from "../../shared/http/failure.ts";
import type { Caller } from "./call.ts";

/**
 * Decides whether a caller may use an operation: by whose key it is, and then by its scopes. A
 * handler that serves objects of several owners checks the owner itself.
 *
 * @param params of the path
 */
export function authorize(
  { id, access }: Pick<Operation, "id" | "access">,
  caller: Caller,
  params: Record<string, string>,
): Failure | null {
  if (access === "anyone") return null;
  if (caller.role === "anonymous") return { tag: "unauthenticated" };
  const scope = scopeNamed(id);
  const lacksScope = scope !== null && !caller.scopes.includes(scope);
  return whoIsRefused(access, caller, params) ?? (lacksScope ? lacks(caller, scope) : null);
}

type Authenticated = Exclude<Caller, { role: "anonymous" }>;

function whoIsRefused(
  access: Exclude<Operation["access"], "anyone">,
  caller: Authenticated,
  params: Record<string, string>,
): Failure | null {
  const isOperator = caller.role === "operator";
  switch (access) {
    case "admin":
    case "viewer":
      return isOperator ? null : forbidden("This needs the token or key of an operator.");
    case "user":
      return isUser(caller) ? null : forbidden("This needs the key of a user.");
    case "reader":
    case "caller":
      return null;
    case "mailer":
      return isOperator || caller.scopes.includes("emails:send")
        ? null
        : lacks(caller, "emails:send");
    case "person":
      return isOperator || isUser(caller) ? null : forbidden("A team's key may not do this.");
    case "self":
      if (isOperator) return null;
      return isUser(caller) && caller.user.userId === params["userId"]
        ? null
        : forbidden("This key belongs to another user or to a team.");
  }
}

const isUser = (caller: Caller): caller is Extract<Caller, { of: "user" }> =>
  caller.role === "tenant" && caller.of === "user";

const forbidden = (detail: string): Failure => ({ tag: "forbidden", detail });

/** Names the scope, and who grants it. */
export function lacks(caller: Authenticated, scope: KeyScope): Failure {
  if (caller.role === "operator" && caller.title !== null)
    return forbidden(`The role ${caller.title} lacks the scope ${scope}.`);
  const isGranted = isUser(caller) && scope === "emails:send";
  return forbidden(
    `This key lacks the scope ${scope}.` +
      (isGranted && !caller.user.scopes.includes(scope)
        ? " The admin grants it with PATCH /api/users/:userId."
        : ""),
  );
}
