import { describe, expect, it } from "vitest";
import type { Failure } from "../../http/failure.ts";
import type { Role, AccountTier } from "./schemas.ts";
import {
  MAX_MEMBERS_OF_TEAM,
  MAX_PENDING_OF_ADDER,
  MAX_PENDING_OF_TEAM,
  MAX_TEAMS_OF_USER,
  denyReasonForConfirming,
  denyReasonForManaging,
  denyReasonForNewTeam,
  denyReasonForSaving,
  denyReasonForRemoving,
  isSavedAtOnce,
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
  pending?: boolean;
  members?: number;
};

function facts({
  actor,
  target,
  tier = "pro",
  owners = 2,
  exists = true,
  self = false,
  pending = false,
  members = 5,
}: Case): MemberFacts {
  return {
    actor: actor === "operator" ? "admin" : { userId: "ada", tier, role: actor, pending: 0 },
    target: { userId: self ? "ada" : "bob", exists, role: target, pending, teams: 0 },
    team: { exists: true, owners, members, pending: 0 },
  };
}
const make = (one: Case, wanted: Role): string => name(denyReasonForSaving(facts(one), wanted));
const remove = (one: Case): string => name(denyReasonForRemoving(facts(one)));

describe("saving a member", () => {
  it("is allowed to the admin and to owners, with any role for who is a member", () => {
    for (const actor of ["operator", "owner"] as const)
      for (const target of roles)
        for (const wanted of ["member", "admin", "owner"] as const)
          expect(make({ actor, target }, wanted), `${actor}: ${target} becomes ${wanted}`).toBe(
            actor === "owner" && target === null && wanted !== "member" ? "wrong-state" : "may",
          );
  });

  it("asks who is no member, unless the admin does it", () => {
    for (const target of roles) {
      expect(isSavedAtOnce(facts({ actor: "operator", target }))).toBe(true);
      expect(isSavedAtOnce(facts({ actor: "owner", target }))).toBe(target !== null);
    }
  });

  it("answers a user the same whether the target exists or not", () => {
    for (const actor of roles)
      for (const wanted of ["member", "admin", "owner"] as const)
        for (const pending of [true, false]) {
          const known = { actor, target: null, pending } as const;
          expect(make({ ...known, exists: false }, wanted)).toBe(make(known, wanted));
          expect(remove({ ...known, exists: false })).toBe(remove(known));
        }
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
      team: { exists: false, owners: 0, members: 0, pending: 0 },
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

  it("is denied to the admin for unknown users, and at the limits of team and user", () => {
    expect(make({ actor: "operator", target: null, exists: false }, "member")).toBe("no user");
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

describe("adding", () => {
  it("is denied at the limits of open confirmations, but not for a repeat", () => {
    const given = facts({ actor: "owner", target: null });
    const actor = { userId: "ada", tier: "pro", role: "owner" } as const;
    for (const over of [
      { ...given, actor: { ...actor, pending: MAX_PENDING_OF_ADDER } },
      { ...given, team: { ...given.team, pending: MAX_PENDING_OF_TEAM } },
    ]) {
      expect(name(denyReasonForSaving(over, "member"))).toBe("wrong-state");
      const repeated = { ...over, target: { ...over.target, pending: true } };
      expect(denyReasonForSaving(repeated, "member")).toBeNull();
    }
  });

  it("does not look at the target's teams, which are not the adder's business", () => {
    const given = facts({ actor: "owner", target: null });
    const busy = { ...given, target: { ...given.target, teams: MAX_TEAMS_OF_USER } };
    expect(denyReasonForSaving(busy, "member")).toBeNull();
  });
});

describe("confirming", () => {
  const confirm = (changes: Partial<Parameters<typeof denyReasonForConfirming>[0]>): string =>
    name(denyReasonForConfirming({ role: null, pending: true, teams: 0, members: 1, ...changes }));

  it("is allowed to who was added, and again to who has confirmed", () => {
    expect([confirm({}), confirm({ role: "member", pending: false })]).toEqual(["may", "may"]);
    expect(confirm({ pending: false })).toBe("no team");
  });

  it("is denied at the limits of team and user", () => {
    expect(confirm({ teams: MAX_TEAMS_OF_USER })).toBe("wrong-state");
    expect(confirm({ members: MAX_MEMBERS_OF_TEAM })).toBe("wrong-state");
  });
});

it("a team is renamed and deleted by its owners and the admin only", () => {
  const manage = (role: Role | null): string =>
    name(denyReasonForManaging({ actor: { userId: "ada", role }, exists: true }));
  expect(roles.map(manage)).toEqual(["no team", "forbidden", "forbidden", "may"]);
  expect(denyReasonForManaging({ actor: "admin", exists: true })).toBeNull();
  expect(name(denyReasonForManaging({ actor: "admin", exists: false }))).toBe("no team");
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

  it("who is the only member gets the advice to delete the team", () => {
    const alone = facts({ actor: "owner", self: true, target: "owner", owners: 1, members: 1 });
    expect(denyReasonForRemoving(alone)).toMatchObject({
      detail: expect.stringContaining("delete it"),
    });
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
    expect(remove({ actor: "operator", target: null, exists: false })).toBe("no user");
  });

  it("ends an open confirmation too: by who was added, and by who may add", () => {
    const added = { target: null, pending: true } as const;
    expect(remove({ ...added, actor: null, self: true })).toBe("may");
    expect([remove({ ...added, actor: "operator" }), remove({ ...added, actor: "admin" })]).toEqual(
      ["may", "may"],
    );
    expect(remove({ ...added, actor: "member" })).toBe("forbidden");
    expect(remove({ ...added, actor: null })).toBe("no team");
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
});
