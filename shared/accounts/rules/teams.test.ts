import { describe, expect, it } from "vitest";
import type { Failure } from "../../http/failure.ts";
import type { Role, Tier } from "./schemas.ts";
import {
  MAX_MEMBERS_OF_TEAM,
  MAX_TEAMS_OF_USER,
  MAX_WORKSPACES_OF_USER,
  whyNotCreateTeam,
  whyNotCreateWorkspace,
  whyNotMake,
  whyNotRemove,
  type MemberFacts,
} from "./teams.ts";

const roles = [null, "member", "admin", "owner"] as const;
const name = (failure: Failure | null): string =>
  failure === null ? "may" : failure.tag === "not-found" ? `no ${failure.what}` : failure.tag;

type Given = {
  actor: Role | null | "operator";
  target: Role | null;
  tier?: Tier;
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
}: Given): MemberFacts {
  return {
    actor: actor === "operator" ? "admin" : { userId: "ada", tier, role: actor },
    target: { userId: self ? "ada" : "bob", exists, role: target, teams: 0 },
    team: { exists: true, owners, members: 5 },
  };
}
const make = (given: Given, wanted: Role): string => name(whyNotMake(facts(given), wanted));
const remove = (given: Given): string => name(whyNotRemove(facts(given)));

describe("who may make whom what", () => {
  it("is everything for the admin and for an owner", () => {
    for (const actor of ["operator", "owner"] as const)
      for (const target of roles)
        for (const wanted of ["member", "admin", "owner"] as const)
          expect(make({ actor, target }, wanted)).toBe("may");
  });

  it("is plain members for an admin of the team, and nothing for a member", () => {
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

  it("is told to nobody from outside: to them there is no such team, whoever the target is", () => {
    for (const exists of [true, false])
      for (const target of roles) {
        expect(make({ actor: null, target, exists }, "member")).toBe("no team");
        expect(remove({ actor: null, target, exists })).toBe("no team");
      }
    const gone: MemberFacts = {
      ...facts({ actor: "operator", target: null }),
      team: { exists: false, owners: 0, members: 0 },
    };
    expect([name(whyNotMake(gone, "member")), name(whyNotRemove(gone))]).toEqual([
      "no team",
      "no team",
    ]);
  });

  it("needs teams:invite to add somebody, and not to change or remove who is there", () => {
    const lapsed = { actor: "owner", tier: "free" } as const;
    expect(make({ ...lapsed, target: null }, "member")).toBe("forbidden");
    expect(make({ ...lapsed, target: "member" }, "admin")).toBe("may");
    expect(remove({ ...lapsed, target: "member" })).toBe("may");
  });

  it("ends at users that do not exist, and at the bounds of team and user", () => {
    expect(make({ actor: "owner", target: null, exists: false }, "member")).toBe("no user");
    expect(make({ actor: "member", target: null, exists: false }, "member")).toBe("forbidden");
    const given = facts({ actor: "operator", target: null });
    const full = { ...given, team: { ...given.team, members: MAX_MEMBERS_OF_TEAM } };
    const busy = { ...given, target: { ...given.target, teams: MAX_TEAMS_OF_USER } };
    for (const over of [full, busy]) {
      expect(name(whyNotMake(over, "member"))).toBe("wrong-state");
      expect(
        whyNotMake({ ...over, target: { ...over.target, role: "member" } }, "admin"),
      ).toBeNull();
    }
  });
});

describe("the last owner", () => {
  it("is neither demoted nor removed nor leaves, whoever asks", () => {
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

describe("who may remove whom", () => {
  it("is anybody for owners and the admin, members for the team's admins, oneself for everybody", () => {
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

describe("who may create", () => {
  it("a team: who has teams:create and is not in too many", () => {
    const create = (tier: Tier | null, teams = 0): string =>
      name(whyNotCreateTeam({ tier, teams }));
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

  it("a workspace: everybody for themselves, in a team its owners and admins, until they have too many", () => {
    const create = (
      role: Role | null | undefined,
      workspaces = 0,
      tier: Tier | null = "free",
    ): string => name(whyNotCreateWorkspace({ tier, workspaces, role }));
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
