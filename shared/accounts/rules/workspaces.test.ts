import { describe, expect, it } from "vitest";
import type { Failure } from "../../http/failure.ts";
import type { AccountTier, Role } from "./schemas.ts";
import {
  MAX_WORKSPACES_OF_TEAM,
  MAX_WORKSPACES_OF_USER,
  denyReasonForNewWorkspace,
  denyReasonForWorkspace,
} from "./workspaces.ts";

const name = (failure: Failure | null): string =>
  failure === null ? "may" : failure.tag === "not-found" ? `no ${failure.what}` : failure.tag;

describe("creating a workspace", () => {
  const create = (
    role: Role | null | undefined,
    { workspaces = 0, inTeam = 0 } = {},
    tier: AccountTier | null = "free",
  ): string => name(denyReasonForNewWorkspace({ tier, workspaces, role, inTeam }));

  it("is allowed to all users for a personal one, and in a team to its owners and admins", () => {
    expect([
      create(undefined),
      create("owner"),
      create("admin"),
      create("member"),
      create(null),
    ]).toEqual(["may", "may", "may", "forbidden", "no team"]);
    expect(create(undefined, {}, null)).toBe("no user");
  });

  it("is denied at the limits of user and team", () => {
    const [user, team] = [MAX_WORKSPACES_OF_USER, MAX_WORKSPACES_OF_TEAM];
    expect([
      create(undefined, { workspaces: user - 1 }),
      create(undefined, { workspaces: user }),
      create("owner", { inTeam: team - 1 }),
      create("owner", { inTeam: team }),
    ]).toEqual(["may", "wrong-state", "may", "wrong-state"]);
  });
});

describe("renaming or deleting a workspace", () => {
  const change = (
    workspace: { ownerId: string; teamId: string | null } | null,
    role: Role | null = null,
  ): string => name(denyReasonForWorkspace({ actor: { userId: "ada", role }, workspace }));
  const roles = [null, "member", "admin", "owner"] as const;

  it("that is personal is allowed to its owner; to others it does not exist", () => {
    expect([
      change({ ownerId: "ada", teamId: null }),
      change({ ownerId: "bob", teamId: null }),
      change(null),
    ]).toEqual(["may", "no workspace", "no workspace"]);
  });

  it("of a team is allowed to its owners and admins, and to its creator while a member", () => {
    const by = (ownerId: string) => roles.map((role) => change({ ownerId, teamId: "core" }, role));
    expect(by("bob")).toEqual(["no workspace", "forbidden", "may", "may"]);
    expect(by("ada")).toEqual(["no workspace", "may", "may", "may"]);
  });

  it("is allowed to the admin if it exists", () => {
    const workspace = { ownerId: "bob", teamId: null };
    expect(denyReasonForWorkspace({ actor: "admin", workspace })).toBeNull();
    expect(name(denyReasonForWorkspace({ actor: "admin", workspace: null }))).toBe("no workspace");
  });
});
