import type { AnswerBody } from "./api.ts";

/** What an operator may do in the console. Pure. */

type Operator = Pick<AnswerBody<"getOperator">, "role" | "scopes">;

/** Why the operator may not do what needs a scope; undefined if they may. */
export function denyReasonOf({ role, scopes }: Operator, scope: string | null): string | undefined {
  if (scope === null || scopes.includes(scope)) return undefined;
  if (role === "viewer" && !scope.endsWith(":read")) return "This token is read-only.";
  const who = role === "scoped" ? "This key" : `The role ${role}`;
  return `${who} may not do this: it lacks the scope ${scope}.`;
}

/** How the console names who is signed in. */
export const shownOperator = ({
  role,
  actor,
  name,
}: Pick<AnswerBody<"getOperator">, "role" | "actor" | "name">): string =>
  [name ?? actor, ...(role === "admin" ? [] : [role === "viewer" ? "read-only" : role])].join(", ");
