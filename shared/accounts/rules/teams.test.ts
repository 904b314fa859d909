import { describe, expect, it } from "vitest";
import type { Failure } from "../../http/failure.ts";
import type { Role, AccountTier } from "./schemas.ts";
import {
  MAX_MEMBERS_OF_TEAM,
  MAX_TEAMS_OF_USER,
  MAX_WORKSPACES_OF_USER,
  denyReasonForNewTeam,
  denyReasonForNewWorkspace,
  denyReasonForSaving,
  denyReasonForRemoving,
  type MemberFacts,
} from "./teams.ts";

const roles = [null, "member", "admin", "owner"] as const;
const name = (failure: Failure | null): string =>
  failure === null ? "may" : failure.tag === "not-found" ? `no ${failure.what}` : failure.tag;

type Case = {
  actor: Role | null | "operator";
  target: Role | null;
  tier?: AccountTier;
  owners?: number;
  exists?: boolean;
  self?: boolean;
};

function facts({
  actor,
  target,
  tier = "pro",
  owners = 2,
  exists = true,
  self = false,
}: Case): MemberFacts {
  return {
    actor: actor === "operator" ? "admin" : { userId: "ada", tier, role: actor },
    target: { userId: self ? "ada" : "bob", exists, role: target, teams: 0 },
    team: { exists: true, owners, members: 5 },
  };
}
const make = (one: Case, wanted: Role): string => name(denyReasonForSaving(facts(one), wanted));
const remove = (one: Case): string => name(denyReasonForRemoving(facts(one)));

describe("saving a member", () => {
  it("is allowed to the admin and to owners, with any role", () => {
    for (const actor of ["operator", "owner"] as const)
      for (const target of roles)
        for (const wanted of ["member", "admin", "owner"] as const)
          expect(make({ actor, target }, wanted)).toBe("may");
  });

  it("is allowed to the team's admins for plain members only, and not to members", () => {
    for (const target of roles)
      for (const wanted of ["member", "admin", "owner"] as const) {
        const plain = wanted === "member" && (target === null || target === "member");
        expect(make({ actor: "admin", target }, wanted), `${target} becomes ${wanted}`).toBe(
          plain ? "may" : "forbidden",
        );
        expect(make({ actor: "member", target }, wanted), `${target} becomes ${wanted}`).toBe(
          "forbidden",
        );
      }
  });

  it("answers non-members as if the team did not exist", () => {
    for (const exists of [true, false])
      for (const target of roles) {
        expect(make({ actor: null, target, exists }, "member")).toBe("no team");
        expect(remove({ actor: null, target, exists })).toBe("no team");
      }
    const gone: MemberFacts = {
      ...facts({ actor: "operator", target: null }),
      team: { exists: false, owners: 0, members: 0 },
    };
    expect([name(denyReasonForSaving(gone, "member")), name(denyReasonForRemoving(gone))]).toEqual([
      "no team",
      "no team",
    ]);
  });

  it("needs teams:invite to add a member, but not to change or remove one", () => {
    const lapsed = { actor: "owner", tier: "free" } as const;
    expect(make({ ...lapsed, target: null }, "member")).toBe("forbidden");
    expect(make({ ...lapsed, target: "member" }, "admin")).toBe("may");
    expect(remove({ ...lapsed, target: "member" })).toBe("may");
  });

  it("is denied for unknown users, and at the limits of team and user", () => {
    expect(make({ actor: "owner", target: null, exists: false }, "member")).toBe("no user");
    expect(make({ actor: "member", target: null, exists: false }, "member")).toBe("forbidden");
    const given = facts({ actor: "operator", target: null });
    const full = { ...given, team: { ...given.team, members: MAX_MEMBERS_OF_TEAM } };
    const busy = { ...given, target: { ...given.target, teams: MAX_TEAMS_OF_USER } };
    for (const over of [full, busy]) {
      expect(name(denyReasonForSaving(over, "member"))).toBe("wrong-state");
      expect(
        denyReasonForSaving({ ...over, target: { ...over.target, role: "member" } }, "admin"),
      ).toBeNull();
    }
  });
});

describe("the last owner", () => {
  it("can be neither demoted nor removed, and cannot leave", () => {
    for (const actor of ["operator", "owner"] as const)
      for (const self of [true, false]) {
        const last = { actor, self, target: "owner", owners: 1 } as const;
        expect([make(last, "admin"), make(last, "member"), remove(last)]).toEqual([
          "wrong-state",
          "wrong-state",
          "wrong-state",
        ]);
        expect(make(last, "owner")).toBe("may");
        expect(remove({ ...last, owners: 2 })).toBe("may");
      }
  });
});

describe("removing a member", () => {
  it("is allowed to owners and the admin, to team admins for plain members, and to oneself", () => {
    for (const target of ["member", "admin", "owner"] as const) {
      expect([remove({ actor: "operator", target }), remove({ actor: "owner", target })]).toEqual([
        "may",
        "may",
      ]);
      expect(remove({ actor: "admin", target })).toBe(target === "member" ? "may" : "forbidden");
      expect(remove({ actor: "member", target })).toBe("forbidden");
      expect(remove({ actor: target, target, self: true })).toBe("may");
    }
    expect(remove({ actor: "owner", target: null })).toBe("no member");
    expect(remove({ actor: "owner", target: null, exists: false })).toBe("no user");
  });
});

describe("creating", () => {
  it("a team needs teams:create and a place below the limit of teams", () => {
    const create = (tier: AccountTier | null, teams = 0): string =>
      name(denyReasonForNewTeam({ tier, teams }));
    expect([create("free"), create("pro"), create("enterprise")]).toEqual([
      "forbidden",
      "may",
      "may",
    ]);
    expect(create(null)).toBe("no user");
    expect([create("pro", MAX_TEAMS_OF_USER - 1), create("pro", MAX_TEAMS_OF_USER)]).toEqual([
      "may",
      "wrong-state",
    ]);
  });

  it("a personal workspace is allowed to all users, one of a team to its owners and admins", () => {
    const create = (
      role: Role | null | undefined,
      workspaces = 0,
      tier: AccountTier | null = "free",
    ): string => name(denyReasonForNewWorkspace({ tier, workspaces, role }));
    expect([
      create(undefined),
      create("owner"),
      create("admin"),
      create("member"),
      create(null),
    ]).toEqual(["may", "may", "may", "forbidden", "no team"]);
    expect(create(undefined, 0, null)).toBe("no user");
    expect([
      create(undefined, MAX_WORKSPACES_OF_USER - 1),
      create(undefined, MAX_WORKSPACES_OF_USER),
    ]).toEqual(["may", "wrong-state"]);
  });
});
