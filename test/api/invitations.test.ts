import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { DAY_MS } from "../../shared/lib/base/clock.ts";
import { eventually } from "../support/eventually.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { runTask } from "../support/run-task.ts";
import { call, callWith, signUpAs, type TestUser } from "./support.ts";

const db = env.DB;

beforeEach(async () => {
  await db.batch(
    ["team_invitations", "invitation_emails", "emails"].map((table) =>
      db.prepare(`DELETE FROM ${table}`),
    ),
  );
});

async function createTeam(owner: TestUser, name = "Core"): Promise<string> {
  return (await call("POST", "/api/teams", { name }, owner)).body.team.teamId as string;
}
const invite = (teamId: string, body: object, as?: TestUser, api = call) =>
  api("POST", `/api/teams/${teamId}/invitations`, body, as);
const list = async (teamId: string, as?: TestUser) =>
  await call("GET", `/api/teams/${teamId}/invitations`, undefined, as);
const revoke = (teamId: string, id: string, as?: TestUser) =>
  call("DELETE", `/api/teams/${teamId}/invitations/${id}`, undefined, as);
const accept = (body: object, as: TestUser, api = call) =>
  api("POST", "/api/invitations/accept", body, as);
const decline = (body: object, as: TestUser) => call("POST", "/api/invitations/decline", body, as);
const add = (teamId: string, { userId }: TestUser, role: string) =>
  call("POST", `/api/teams/${teamId}/members`, { userId, role });
const membersOf = async (teamId: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await call("GET", `/api/teams/${teamId}`)).body.members.map(
      ({ userId, role }: { userId: string; role: string }) => [userId, role],
    ),
  );
const wrongState = (detail: string) => ({ status: 409, body: { detail } });
const noInvitation = { status: 404, body: { detail: "There is no such invitation." } };

/** The tokens that were sent to an address, the newest last. */
async function tokensOf(email: string): Promise<string[]> {
  const { results } = await db
    .prepare(
      `SELECT c.text FROM emails AS e JOIN email_contents AS c ON c.email_id = e.id
       WHERE e.to_address = ?1 ORDER BY e.created_at, e.id`,
    )
    .bind(email)
    .all<{ text: string }>();
  return results.flatMap(({ text }) => /\/invitations\/([\w-]{43})/.exec(text)?.[1] ?? []);
}
const tokenOf = async (email: string): Promise<string> => (await tokensOf(email)).at(-1) ?? "";

async function invited(role = "member") {
  const [owner, guest] = [await signUpAs("pro"), await signUpAs("free")];
  const teamId = await createTeam(owner);
  const { status, body } = await invite(teamId, { email: guest.email, role }, owner);
  expect(status).toBe(201);
  return { owner, guest, teamId, id: String(body.invitation.id), body };
}

describe("an invitation", () => {
  it("is sent to the address with a link, and the answer has no secret", async () => {
    const { owner, guest, teamId, id, body } = await invited();
    expect(body).toEqual({
      invitation: {
        id: expect.stringMatching(/^inv_[0-9a-f]{32}$/),
        teamId,
        email: guest.email,
        role: "member",
        invitedBy: owner.userId,
        status: "open",
        createdAt: expect.any(String),
        expiresAt: expect.any(String),
      },
    });
    const { createdAt, expiresAt } = body.invitation;
    expect(Date.parse(expiresAt) - Date.parse(createdAt)).toBe(7 * DAY_MS);
    const token = await tokenOf(guest.email);
    expect(token).toHaveLength(43);
    const stored = JSON.stringify(
      (await db.prepare("SELECT * FROM team_invitations").all()).results,
    );
    expect(stored).not.toContain(token);
    expect((await list(teamId, owner)).body.items).toMatchObject([{ id, status: "open" }]);
  });

  it("is sent once under an Idempotency-Key, also if its first reply was lost", async () => {
    const owner = await signUpAs("pro");
    const path = `/api/teams/${await createTeam(owner)}/invitations`;
    const body = { email: "guest@example.com", role: "member" };
    const asked = { ...owner, headers: { "Idempotency-Key": "invite" } };
    const lossy = losingReplies(db);
    const first = await callWith({ DB: lossy })("POST", path, body, asked);
    expect(first.status).toBe(201);
    const again = await call("POST", path, body, asked);
    expect(again).toMatchObject({ status: 201, body: first.body });
    expect(await tokensOf(body.email)).toHaveLength(1);
  });

  it("makes the user a member once they accept, and cached reads show it at once", async () => {
    const { guest, teamId } = await invited();
    const teams = async () =>
      (await call("GET", `/api/users/${guest.userId}/teams`, undefined, guest)).body.teams;
    expect(await teams()).toEqual([]);
    const token = await tokenOf(guest.email);
    const answer = await accept({ token }, guest);
    expect(answer).toMatchObject({
      status: 200,
      body: { teamId, member: { userId: guest.userId, role: "member", confirmed: true } },
    });
    expect(await teams()).toMatchObject([{ teamId, role: "member" }]);
    expect((await accept({ token }, guest)).body).toEqual(answer.body);
    expect((await list(teamId)).body.items).toMatchObject([{ status: "accepted" }]);
    await eventually(async () =>
      expect(await db.prepare("SELECT COUNT(*) AS n FROM purge_intents").first("n")).toBe(0),
    );
  });

  it("is accepted by its id by the user of the address, and by no other", async () => {
    const { guest, teamId, id } = await invited();
    const stranger = await signUpAs("free");
    expect(await accept({ invitationId: id }, stranger)).toMatchObject(noInvitation);
    const shown = await call("GET", `/api/users/${guest.userId}/invitations`, undefined, guest);
    expect(shown.body.invitations).toMatchObject([
      { id, teamId, teamName: "Core", role: "member" },
    ]);
    expect((await accept({ invitationId: id }, guest)).status).toBe(200);
    expect(await accept({ invitationId: id }, stranger)).toMatchObject(noInvitation);
    const left = await call("GET", `/api/users/${guest.userId}/invitations`, undefined, guest);
    expect(left.body.invitations).toEqual([]);
  });

  it("is accepted with its link by an account of another address, once", async () => {
    const { guest, teamId } = await invited();
    const other = await signUpAs("free");
    const token = await tokenOf(guest.email);
    expect((await accept({ token }, other)).status).toBe(200);
    expect(await accept({ token }, guest)).toMatchObject(noInvitation);
    expect(Object.keys(await membersOf(teamId))).toContain(other.userId);
  });

  it("that is declined or revoked makes nobody a member, and repeats change nothing", async () => {
    const { owner, guest, teamId, id } = await invited();
    const token = await tokenOf(guest.email);
    for (let times = 0; times < 2; times += 1)
      expect((await decline({ token }, guest)).status).toBe(204);
    expect(await accept({ token }, guest)).toMatchObject(noInvitation);
    expect(await revoke(teamId, id, owner)).toMatchObject(
      wrongState("The invitation is declined already."),
    );
    const again = (await invite(teamId, { email: guest.email }, owner)).body.invitation;
    for (let times = 0; times < 2; times += 1)
      expect((await revoke(teamId, again.id, owner)).status).toBe(204);
    expect(await accept({ token: await tokenOf(guest.email) }, guest)).toMatchObject(noInvitation);
    expect((await list(teamId)).body.items.map(({ status }: { status: string }) => status)).toEqual(
      expect.arrayContaining(["declined", "revoked"]),
    );
    expect(Object.keys(await membersOf(teamId))).toEqual([owner.userId]);
  });

  it("that is over is shown as expired and accepted by nobody, and goes 30 days later", async () => {
    const { guest, teamId, id } = await invited();
    await db
      .prepare("UPDATE team_invitations SET expires_at = ?1")
      .bind(Date.now() - 1)
      .run();
    expect(await accept({ invitationId: id }, guest)).toMatchObject(noInvitation);
    expect((await list(teamId)).body.items).toMatchObject([{ status: "expired" }]);
    expect(await runTask("expire-confirmations", {})).toMatchObject({ invitations: 0 });
    await db
      .prepare("UPDATE team_invitations SET kept_until = ?1")
      .bind(Date.now() - 1)
      .run();
    await db.prepare("UPDATE invitation_emails SET counted_from = 0").run();
    expect(await runTask("expire-confirmations", {})).toMatchObject({
      invitations: 1,
      invitationCounts: 4,
    });
  });

  it("to the same address replaces the link of the open one", async () => {
    const { owner, guest, teamId, id } = await invited();
    const first = await tokenOf(guest.email);
    const again = await invite(
      teamId,
      { email: guest.email.toUpperCase(), role: "admin", expiresInDays: 30 },
      owner,
    );
    expect(again.body.invitation).toMatchObject({ id, role: "admin" });
    expect((await list(teamId)).body.items).toHaveLength(1);
    expect(await accept({ token: first }, guest)).toMatchObject(noInvitation);
    expect((await accept({ token: await tokenOf(guest.email) }, guest)).body.member.role).toBe(
      "admin",
    );
  });

  it("survives a lost reply of D1, and is written once", async () => {
    const [owner, guest] = [await signUpAs("pro"), await signUpAs("free")];
    const teamId = await createTeam(owner);
    const lossy = callWith({ DB: losingReplies(db) });
    expect((await invite(teamId, { email: guest.email }, owner, lossy)).status).toBe(201);
    expect(await tokensOf(guest.email)).toHaveLength(1);
    const token = await tokenOf(guest.email);
    expect((await accept({ token }, guest, callWith({ DB: losingReplies(db) }))).status).toBe(200);
    expect(await membersOf(teamId)).toMatchObject({ [guest.userId]: "member" });
  });

  it("keeps the role of a user who is a member already", async () => {
    const { guest, teamId } = await invited("admin");
    await add(teamId, guest, "member");
    await accept({ token: await tokenOf(guest.email) }, guest);
    expect(await membersOf(teamId)).toMatchObject({ [guest.userId]: "member" });
  });
});

describe("who may invite", () => {
  it("owners any role except owner, admins of the team plain members, others nobody", async () => {
    const { owner, teamId } = await invited();
    const [admin, member, stranger] = [
      await signUpAs("pro"),
      await signUpAs("pro"),
      await signUpAs("pro"),
    ];
    await add(teamId, admin, "admin");
    await add(teamId, member, "member");
    const to = (role: string, as?: TestUser) =>
      invite(teamId, { email: `${crypto.randomUUID()}@example.com`, role }, as);
    expect((await to("admin", owner)).status).toBe(201);
    expect((await to("member", admin)).status).toBe(201);
    expect((await to("admin", admin)).status).toBe(403);
    expect((await to("member", member)).status).toBe(403);
    expect((await to("member", stranger)).status).toBe(404);
    expect((await to("admin")).status).toBe(201);
    expect(await to("owner", owner)).toMatchObject({
      status: 422,
      body: { errors: [{ path: "role", message: expect.stringContaining("has accepted") }] },
    });
    const ofAdmin = (await list(teamId, admin)).body.items.find(
      ({ role }: { role: string }) => role === "admin",
    );
    expect((await revoke(teamId, ofAdmin.id, admin)).status).toBe(403);
    const again = { email: ofAdmin.email, role: "member" };
    expect((await invite(teamId, again, admin)).status).toBe(403);
    expect((await invite(teamId, again, owner)).body.invitation.role).toBe("member");
    expect((await list(teamId, member)).status).toBe(403);
    expect((await list(teamId, stranger)).status).toBe(404);
    expect((await revoke(teamId, ofAdmin.id, stranger)).status).toBe(404);
  });

  it("needs the tier of the user, as for adding a member", async () => {
    const { teamId } = await invited();
    const free = await signUpAs("free");
    await add(teamId, free, "admin");
    expect((await invite(teamId, { email: "x@example.com" }, free)).body.detail).toContain(
      "teams:invite",
    );
  });
});

describe("an invitation reveals nothing about who has an account", () => {
  it("answers, lists and sends the same for an address without one, and for a member's", async () => {
    const owner = await signUpAs("pro");
    const member = await signUpAs("free");
    const teamId = await createTeam(owner);
    await add(teamId, member, "member");
    const seen = await Promise.all(
      [(await signUpAs("free")).email, "never-was@example.com", member.email].map(async (email) => {
        const made = await invite(teamId, { email }, owner);
        expect(await tokensOf(email)).toHaveLength(1);
        const {
          id,
          email: shown,
          createdAt: _at,
          expiresAt: _until,
          ...rest
        } = made.body.invitation;
        expect(shown).toBe(email);
        return { status: made.status, rest, revoked: (await revoke(teamId, id, owner)).status };
      }),
    );
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).toEqual(seen[0]);
  });
});

describe("invitations are limited", () => {
  it("per team and address, also if each is revoked", async () => {
    const { owner, guest, teamId, id } = await invited();
    const again = () => invite(teamId, { email: guest.email }, owner);
    await again();
    await revoke(teamId, id, owner);
    expect((await again()).status).toBe(201);
    expect(await again()).toMatchObject(
      wrongState(
        "A team sends an address at most 3 invitations within 24 hours. Try again tomorrow.",
      ),
    );
    expect(await tokensOf(guest.email)).toHaveLength(3);
    await db
      .prepare("UPDATE invitation_emails SET counted_from = counted_from - ?1")
      .bind(DAY_MS)
      .run();
    expect((await again()).status).toBe(201);
  });

  it("per team and address, also concurrently", async () => {
    const owner = await signUpAs("pro");
    const teamId = await createTeam(owner);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => invite(teamId, { email: "many@example.com" }, owner)),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(3);
    expect(await tokensOf("many@example.com")).toHaveLength(3);
  });

  it("per address over all teams, per team and per user", async () => {
    const { owner, teamId } = await invited();
    const full = (subject: string, emails: number) =>
      db
        .prepare(
          `INSERT INTO invitation_emails VALUES (?1, ?2, ?3)
           ON CONFLICT (subject) DO UPDATE SET emails = ?2`,
        )
        .bind(subject, emails, Date.now())
        .run();
    for (const [subject, emails, detail] of [
      ["to:a@example.com", 10, "An address gets at most 10"],
      [`team:${teamId}`, 50, "A team sends at most 50"],
      [`user:${owner.userId}`, 50, "A user sends at most 50"],
    ] as const) {
      await full(subject, emails);
      const { status, body } = await invite(teamId, { email: "a@example.com" }, owner);
      expect({ status, body }).toMatchObject({
        status: 409,
        body: { detail: expect.stringContaining(detail) },
      });
      await db.prepare("DELETE FROM invitation_emails").run();
    }
  });

  it("by the number of open ones, also concurrently", async () => {
    const { owner, teamId } = await invited();
    await db
      .prepare(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 45)
         INSERT INTO team_invitations SELECT 'inv_' || i, ?1, i || '@x.example', 'member', NULL,
           'hash' || i, 'open', NULL, 1, 1, ?2, ?2 FROM n`,
      )
      .bind(teamId, Date.now() + DAY_MS)
      .run();
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) => invite(teamId, { email: `${n}@example.com` }, owner)),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(4);
    expect(answers.find(({ status }) => status === 409)).toMatchObject(
      wrongState("A team has at most 50 open invitations."),
    );
  });
});

describe("an invitation ends", () => {
  const statuses = async () =>
    (await db.prepare("SELECT status FROM team_invitations").all<{ status: string }>()).results.map(
      ({ status }) => status,
    );

  it("with its team", async () => {
    const { owner, guest, teamId } = await invited();
    await call("DELETE", `/api/teams/${teamId}`, undefined, owner);
    expect(await statuses()).toEqual([]);
    expect(await accept({ token: await tokenOf(guest.email) }, guest)).toMatchObject(noInvitation);
  });

  it.each([
    [
      "is removed",
      (teamId: string, admin: TestUser) =>
        call("DELETE", `/api/teams/${teamId}/members/${admin.userId}`),
    ],
    ["becomes a plain member", (teamId: string, admin: TestUser) => add(teamId, admin, "member")],
    [
      "deletes the account",
      (_: string, admin: TestUser) =>
        call("DELETE", `/api/users/${admin.userId}`, undefined, admin),
    ],
  ])("when its inviter %s", async (_, end) => {
    const { guest, teamId } = await invited();
    const admin = await signUpAs("pro");
    await add(teamId, admin, "admin");
    await db.prepare("DELETE FROM team_invitations").run();
    await invite(teamId, { email: guest.email }, admin);
    await end(teamId, admin);
    expect(await statuses()).toEqual(["revoked"]);
    expect(await accept({ token: await tokenOf(guest.email) }, guest)).toMatchObject(noInvitation);
  });

  it("with the account of its address, whose export had it", async () => {
    const { owner, guest, teamId } = await invited();
    const exported = await call("GET", `/api/users/${guest.userId}/export`, undefined, guest);
    expect(exported.body.invitations).toMatchObject([{ teamId, name: "Core", role: "member" }]);
    const sent = await call("GET", `/api/users/${owner.userId}/export`, undefined, owner);
    expect(sent.body.invitationsSent).toMatchObject([{ teamId, email: guest.email }]);
    await call("DELETE", `/api/users/${guest.userId}`, undefined, guest);
    expect(await statuses()).toEqual([]);
  });
});

it("the admin gets the link if the email is switched off, and a user never does", async () => {
  const { owner, teamId } = await invited();
  const off = callWith({ AUTOMATIC_EMAILS_OFF: "team-invitation" });
  const email = "off@example.com";
  expect((await invite(teamId, { email }, owner, off)).body).not.toHaveProperty("url");
  const { url } = (await invite(teamId, { email }, undefined, off)).body;
  expect(url).toMatch(/\/invitations\/[\w-]{43}$/);
  expect(await tokensOf(email)).toEqual([]);
  expect((await invite(teamId, { email })).body).not.toHaveProperty("url");
  expect(await tokensOf(email)).toHaveLength(1);
});

it("what users do with invitations is in the audit log, without the address", async () => {
  const { owner, guest, teamId, id } = await invited();
  await accept({ invitationId: id }, guest);
  await eventually(async () => {
    const { body } = await call("GET", "/api/admin/audit?limit=20");
    const acts = body.items.filter(({ operation }: { operation: string }) =>
      /^(create|accept)Invitation$/.test(operation),
    );
    expect(acts.map(({ actor }: { actor: string }) => actor)).toEqual(
      expect.arrayContaining([`user:${owner.userId}`, `user:${guest.userId}`]),
    );
    expect(JSON.stringify(acts)).not.toContain(guest.email);
  });
  expect((await list(teamId, owner)).status).toBe(200);
});
