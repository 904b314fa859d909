import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { denyReasonForGranting, denyReasonForKey, scopesOf } from "./key-grants.ts";
import { holderOf, type KeyHolder } from "./key-holder.ts";
import {
  keyScopes,
  operatorRoles,
  scopesOfRole,
  scopesOfUser,
  strongestRole,
  teamScopes,
  userScopes,
} from "./key-scopes.ts";
import type { User } from "./schemas.ts";

const someScopes = fc.uniqueArray(fc.constantFrom(...keyScopes));
const user = (scopes: "emails:send"[]): User => ({
  userId: "ada",
  email: "ada@example.com",
  tier: "pro",
  scopes,
  apiKeyPrefix: null,
  createdAt: "2026-01-01T00:00:00Z",
  updatedAt: "2026-01-01T00:00:00Z",
});
const held = fc.record<KeyHolder>({
  keyId: fc.constant("key_1"),
  owner: fc.constant("user:ada"),
  name: fc.constant("CI"),
  scopes: fc.array(fc.oneof(fc.constantFrom<string>(...keyScopes), fc.constant("of:later"))),
  role: fc.constant(null),
  test: fc.boolean(),
  expiresAt: fc.option(fc.nat(10)),
  validUntil: fc.option(fc.nat(10)),
  user: fc.option(fc.constantFrom(user([]), user(["emails:send"]))),
  team: fc.constant(null),
});

describe("granting", () => {
  it("is denied exactly for scopes that the giver lacks, each of which is named", () => {
    fc.assert(
      fc.property(someScopes, someScopes, (wanted, giver) => {
        const denied = denyReasonForGranting(wanted, giver);
        const lacking = wanted.filter((scope) => !giver.includes(scope));
        expect(denied === null).toBe(lacking.length === 0);
        for (const scope of lacking) expect(JSON.stringify(denied)).toContain(scope);
      }),
    );
  });

  it("a role is granted like all its scopes", () => {
    for (const role of operatorRoles)
      for (const maker of operatorRoles) {
        const wanted = { scopes: [], role, expiresAt: null, test: false };
        const mayGrant = operatorRoles.indexOf(maker) >= operatorRoles.indexOf(role);
        expect(denyReasonForKey(wanted, scopesOfRole[maker], 0) === null).toBe(mayGrant);
        expect(scopesOf(wanted)).toBe(scopesOfRole[role]);
      }
  });

  it("a test key has scopes of emails alone", () => {
    fc.assert(
      fc.property(someScopes, (scopes) => {
        const wanted = { scopes, role: null, expiresAt: null, test: true };
        const areOfEmails = scopes.every((scope) => /^emails:(send|read|manage)$/.test(scope));
        expect(denyReasonForKey(wanted, keyScopes, 0) === null).toBe(areOfEmails);
      }),
    );
  });

  it("an expiry is in the future", () => {
    const wanted = { scopes: [], role: null, test: false };
    expect(denyReasonForKey({ ...wanted, expiresAt: 10 }, keyScopes, 10)).toMatchObject({
      errors: [{ path: "expiresAt" }],
    });
    expect(denyReasonForKey({ ...wanted, expiresAt: 11 }, keyScopes, 10)).toBeNull();
  });
});

describe("the holder of a key", () => {
  it("may do no more than the key and its user may, and nothing once either is over", () => {
    fc.assert(
      fc.property(held, fc.nat(10), (key, now) => {
        const holder = holderOf(key, now);
        const isOver = [key.expiresAt, key.validUntil].some((end) => end !== null && end <= now);
        expect(holder === null).toBe(isOver || key.user === null);
        const own = scopesOfUser(key.user?.scopes ?? []);
        for (const scope of holder?.scopes ?? []) {
          expect(key.scopes).toContain(scope);
          expect(own).toContain(scope);
        }
      }),
    );
  });

  it("is an operator only by a key of operators, and a team by a key of that team", () => {
    const key = {
      keyId: "key_1",
      name: "CI",
      scopes: [...keyScopes],
      role: null,
      test: false,
      expiresAt: null,
      validUntil: null,
      user: null,
    };
    const team = { teamId: "t", tier: "pro" as const };
    expect(holderOf({ ...key, owner: "admin", team: null }, 0)).toMatchObject({ of: "operator" });
    expect(holderOf({ ...key, owner: "user:ada", team: null }, 0)).toBeNull();
    expect(holderOf({ ...key, owner: "team:t", team: null }, 0)).toBeNull();
    expect(holderOf({ ...key, owner: "team:t", team }, 0)).toMatchObject({
      of: "team",
      scopes: [...teamScopes],
    });
  });
});

it("a user may send emails only if the operator granted it, and has all other scopes", () => {
  expect(scopesOfUser([])).toEqual(userScopes.filter((scope) => scope !== "emails:send"));
  expect(scopesOfUser(["emails:send"])).toEqual([...userScopes]);
});

it("of several roles the strongest counts", () => {
  expect(strongestRole([])).toBeNull();
  expect(strongestRole(["support", "viewer"])).toBe("support");
  expect(strongestRole(["viewer", "admin", "support"])).toBe("admin");
});
