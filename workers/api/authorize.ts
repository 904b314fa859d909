import type { Access } from "../../shared/contract/operation.ts";
import type { Failure } from "../../shared/http/failure.ts";
import type { Caller } from "./call.ts";

/**
 * Decides whether a caller may use an operation. A handler that serves objects of several owners
 * checks the owner itself.
 *
 * @param params of the path
 */
export function authorize(
  access: Access,
  caller: Caller,
  params: Record<string, string>,
): Failure | null {
  if (access === "anyone") return null;
  if (caller.role === "anonymous") return { tag: "unauthenticated" };
  const isAdmin = caller.role === "admin";
  const isViewer = isAdmin || caller.role === "viewer";
  const isUser = caller.role === "user";
  switch (access) {
    case "admin":
      return isAdmin ? null : forbidden("This needs the admin token.");
    case "viewer":
      return isViewer ? null : forbidden("This needs the admin token or the read-only token.");
    case "reader":
      return null;
    case "user":
      return isUser ? null : forbidden("This needs the key of a user.");
    case "caller":
      return isAdmin || isUser ? null : readOnly;
    case "self":
      if (isAdmin) return null;
      if (!isUser) return readOnly;
      return caller.user.userId === params["userId"]
        ? null
        : forbidden("This key belongs to another user.");
    case "mailer":
      if (isAdmin) return null;
      if (!isUser) return readOnly;
      return caller.user.scopes.includes("emails:send")
        ? null
        : forbidden(
            "This key lacks the scope emails:send. " +
              "The admin grants it with PATCH /api/users/:userId.",
          );
  }
}

const forbidden = (detail: string): Failure => ({ tag: "forbidden", detail });
const readOnly = forbidden("The read-only token may only read what operators read.");
