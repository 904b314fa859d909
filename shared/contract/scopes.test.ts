import { expect, it } from "vitest";
import {
  keyScopes,
  operatorRoles,
  scopesOfRole,
  teamScopes,
  userScopes,
} from "../accounts/rules/key-scopes.ts";
import type { Access } from "./operation.ts";
import { operations } from "./operations.ts";
import { scopeNamed } from "./scopes.ts";

/** The scopes of operations with such an access. */
const scopesOf = (...access: Access[]): (string | null)[] =>
  operations.filter((one) => access.includes(one.access)).map(({ id }) => scopeNamed(id));

it("a scope that opens nothing does not exist, for no kind of key", () => {
  const ofTeams = scopesOf("reader", "caller", "mailer");
  const ofUsers = new Set([...ofTeams, ...scopesOf("user", "person", "self")]);
  const ofOperators = new Set(operations.map(({ id }) => scopeNamed(id)));
  expect(teamScopes.filter((scope) => !ofTeams.includes(scope))).toEqual([]);
  expect(userScopes.filter((scope) => !ofUsers.has(scope))).toEqual([]);
  expect(keyScopes.filter((scope) => !ofOperators.has(scope))).toEqual([]);
});

it("each operation needs a scope, except for anyone and for an operator's own name", () => {
  const without = operations.filter(({ id }) => scopeNamed(id) === null);
  expect(without.filter(({ access }) => access !== "anyone").map(({ id }) => id)).toEqual([
    "getOperator",
  ]);
});

it("each role has the scopes of the weaker ones; only the admin may see and change keys", () => {
  for (const [n, role] of operatorRoles.entries()) {
    const weaker = operatorRoles.slice(0, n).flatMap((one): readonly string[] => scopesOfRole[one]);
    const own: readonly string[] = scopesOfRole[role];
    expect(weaker.filter((scope) => !own.includes(scope))).toEqual([]);
    expect(own.some((scope) => scope.startsWith("keys:"))).toBe(role === "admin");
  }
});

it("a viewer changes nothing", () => {
  const scopes: readonly (string | null)[] = scopesOfRole.viewer;
  const writes = operations.filter(
    ({ id, method }) => method !== "GET" && scopes.includes(scopeNamed(id)),
  );
  expect(writes).toEqual([]);
});
