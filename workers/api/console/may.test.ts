import { expect, it } from "vitest";
import { scopesOfRole } from "../../../shared/accounts/rules/key-scopes.ts";
import { denyReasonOf, shownOperator } from "./may.ts";

it("an action is disabled for a role that lacks its scope, with the reason", () => {
  const as = (role: "admin" | "support" | "viewer", scope: string) =>
    denyReasonOf({ role, scopes: [...scopesOfRole[role]] }, scope);
  expect(as("admin", "cache:purge")).toBeUndefined();
  expect(as("support", "emails:replay")).toBeUndefined();
  expect(as("support", "cache:purge")).toBe(
    "The role support may not do this: it lacks the scope cache:purge.",
  );
  expect(as("viewer", "cache:purge")).toBe("This token is read-only.");
  expect(as("viewer", "users:read")).toBe(
    "The role viewer may not do this: it lacks the scope users:read.",
  );
  expect(denyReasonOf({ role: "scoped", scopes: ["jobs:read"] }, "jobs:manage")).toContain(
    "This key may not do this",
  );
});

it("shows who is signed in, by the name of their key and with a role below admin", () => {
  expect(shownOperator({ role: "admin", actor: "ada@luna.example" })).toBe("ada@luna.example");
  expect(shownOperator({ role: "viewer", actor: "viewer:1a2b" })).toBe("viewer:1a2b, read-only");
  expect(shownOperator({ role: "support", actor: "key:key_1", name: "Night shift" })).toBe(
    "Night shift, support",
  );
});
