import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  countedBy,
  denyReasonForAccepting,
  denyReasonForDeclining,
  denyReasonForInviting,
  denyReasonForRevoking,
  invitationStatuses,
  MAX_OPEN_INVITATIONS,
  type AnswerFacts,
  type InvitedRole,
  type InviterFacts,
} from "./invitations.ts";
import { MAX_MEMBERS_OF_TEAM, MAX_TEAMS_OF_USER } from "./teams.ts";

const role = fc.constantFrom(null, "member" as const, "admin" as const, "owner" as const);
const tier = fc.constantFrom(null, "free" as const, "pro" as const, "enterprise" as const);
const actor = fc.oneof(
  fc.constant("admin" as const),
  fc.record({ userId: fc.constant("ada"), role, tier }),
);
const wanted = fc.constantFrom<InvitedRole>("member", "admin");
const inviter: fc.Arbitrary<InviterFacts> = fc.record({
  actor,
  team: fc.record({
    exists: fc.boolean(),
    members: fc.integer({ min: 0, max: MAX_MEMBERS_OF_TEAM }),
  }),
  open: fc.integer({ min: 0, max: MAX_OPEN_INVITATIONS }),
  replaced: fc.constantFrom(null, "member" as const, "admin" as const),
  reached: fc.subarray(["team", "inviter", "address", "addressOfTeam"] as const),
});
const answer: fc.Arbitrary<AnswerFacts> = fc.record({
  status: fc.constantFrom(...invitationStatuses),
  acceptedBy: fc.constantFrom(null, "ada", "bob"),
  userId: fc.constantFrom(null, "ada", "bob"),
  suspendedAt: fc.constantFrom(null, 1),
  memberRole: role,
  teams: fc.integer({ min: 0, max: MAX_TEAMS_OF_USER }),
  members: fc.integer({ min: 0, max: MAX_MEMBERS_OF_TEAM }),
});

describe("a user who invites", () => {
  it("is the admin, an owner, or for plain members an admin of the team, with room left", () => {
    fc.assert(
      fc.property(inviter, wanted, (facts, invited) => {
        const { actor: by, team, open, replaced, reached } = facts;
        const isPlain = invited === "member" && replaced !== "admin";
        const mayInvite =
          by === "admin" ||
          ((by.role === "owner" || (by.role === "admin" && isPlain)) &&
            (by.tier === "pro" || by.tier === "enterprise"));
        const hasRoom =
          team.members < MAX_MEMBERS_OF_TEAM && open < MAX_OPEN_INVITATIONS && reached.length === 0;
        const isAllowed = denyReasonForInviting(facts, invited) === null;
        expect(isAllowed).toBe(team.exists && mayInvite && hasRoom);
      }),
    );
  });

  it("learns nothing of a team that is not theirs, and revokes only what they may invite", () => {
    fc.assert(
      fc.property(inviter, wanted, ({ actor: by, team }, invited) => {
        const invitation = { role: invited, status: "open" as const };
        const facts = { actor: by, teamExists: team.exists, invitation };
        const denied = denyReasonForRevoking(facts);
        const isStranger = by !== "admin" && by.role === null;
        const mayRevoke =
          by === "admin" || by.role === "owner" || (by.role === "admin" && invited === "member");
        const expected =
          !team.exists || isStranger ? "not-found" : mayRevoke ? undefined : "forbidden";
        expect(denied?.tag).toBe(expected);
      }),
    );
  });

  it("is counted per team, per address, and per user unless an operator", () => {
    const sending = { teamId: "t", inviterId: "ada", email: "e@x.yz" };
    expect(countedBy(sending).map(({ subject }) => subject)).toEqual([
      "team:t",
      "user:ada",
      "to:e@x.yz",
      "to:e@x.yz t",
    ]);
    expect(countedBy({ ...sending, inviterId: null })).toHaveLength(3);
  });
});

describe("an answer", () => {
  it("accepts an open invitation, within the limits of team and user, or repeats itself", () => {
    fc.assert(
      fc.property(answer, (facts) => {
        const { status, acceptedBy, userId, suspendedAt, memberRole, teams, members } = facts;
        const isMember = memberRole !== null;
        const isOpen = status === "open" && suspendedAt === null;
        const hasRoom = members < MAX_MEMBERS_OF_TEAM && teams < MAX_TEAMS_OF_USER;
        const isRepeat = status === "accepted" && acceptedBy === userId && isMember;
        expect(denyReasonForAccepting(facts) === null).toBe(
          userId !== null && (isRepeat || (isOpen && (isMember || hasRoom))),
        );
      }),
    );
  });

  it("declines what is open, or repeats itself", () => {
    const allowed = invitationStatuses.filter(
      (status) => denyReasonForDeclining({ status }) === null,
    );
    expect(allowed).toEqual(["open", "declined"]);
  });
});
