import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { DAY_MS } from "../../shared/lib/base/clock.ts";
import { eventually } from "../support/eventually.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { runTask } from "../support/run-task.ts";
import { call, callWith, signUpAs, type TestUser } from "./support.ts";

/** A user becomes a member of a team by confirming it, not by being added. */

const db = env.DB;

async function createTeam(owner: TestUser, name = "Core"): Promise<string> {
  return (await call("POST", "/api/teams", { name }, owner)).body.team.teamId as string;
}
const add = (teamId: string, userId: string, as?: TestUser, role?: string) =>
  call("POST", `/api/teams/${teamId}/members`, { userId, role }, as);
const remove = (teamId: string, { userId }: { userId: string }, as?: TestUser) =>
  call("DELETE", `/api/teams/${teamId}/members/${userId}`, undefined, as);
const confirm = (teamId: string, { userId }: { userId: string }, as?: TestUser, api = call) =>
  api("POST", `/api/teams/${teamId}/members/${userId}/confirm`, undefined, as);
const teamsOf = async (user: TestUser) =>
  (await call("GET", `/api/users/${user.userId}/teams`, undefined, user)).body;
const wrongState = (detail: string) => ({ status: 409, body: { detail } });
const noTeam = { status: 404, body: { detail: "There is no such team." } };

async function pendingPair() {
  const [owner, invited] = [await signUpAs("pro"), await signUpAs("free")];
  const teamId = await createTeam(owner);
  expect(await add(teamId, invited.userId, owner)).toMatchObject({ status: 200 });
  return { owner, invited, teamId };
}

describe("a user who was added and has not confirmed", () => {
  it("is shown as not confirmed, and sees nothing of the team except its name", async () => {
    const { owner, invited, teamId } = await pendingPair();
    expect((await call("GET", `/api/teams/${teamId}`, undefined, owner)).body.members).toEqual([
      { userId: owner.userId, role: "owner", joinedAt: expect.any(String), confirmed: true },
      { userId: invited.userId, role: "member", joinedAt: expect.any(String), confirmed: false },
    ]);
    await call("POST", "/api/workspaces", { name: "Ours", teamId }, owner);
    expect(await teamsOf(invited)).toEqual({
      userId: invited.userId,
      teams: [],
      pending: [
        { teamId, name: "Core", addedAt: expect.any(String), expiresAt: expect.any(String) },
      ],
    });
    expect(await call("GET", `/api/teams/${teamId}`, undefined, invited)).toMatchObject(noTeam);
    for (const what of ["permissions", "workspaces"]) {
      const { body } = await call(
        "GET",
        `/api/users/${invited.userId}/${what}`,
        undefined,
        invited,
      );
      expect(body.teams ?? body.workspaces).toEqual([]);
    }
    expect(await call("POST", "/api/workspaces", { name: "Mine", teamId }, invited)).toMatchObject(
      noTeam,
    );
    expect(await add(teamId, "some-other", invited)).toMatchObject(noTeam);
    expect(
      (await call("GET", `/api/users/${invited.userId}/export`, undefined, invited)).body,
    ).toMatchObject({ teams: [], pendingTeams: [{ teamId, name: "Core" }] });
  });

  it("becomes a member by confirming, and cached reads show it at once", async () => {
    const { owner, invited, teamId } = await pendingPair();
    expect((await teamsOf(invited)).pending).toHaveLength(1);
    const answer = await confirm(teamId, invited, invited);
    expect(answer).toMatchObject({
      status: 200,
      body: { member: { userId: invited.userId, role: "member", confirmed: true } },
    });
    expect(await teamsOf(invited)).toMatchObject({
      teams: [{ teamId, name: "Core", role: "member" }],
      pending: [],
    });
    expect((await add(teamId, invited.userId, owner, "owner")).body.member).toMatchObject({
      role: "owner",
    });
    await eventually(async () =>
      expect(await db.prepare("SELECT COUNT(*) AS n FROM purge_intents").first("n")).toBe(0),
    );
  });

  it("gets the same answer to a repeated confirmation, also after a lost reply of D1", async () => {
    const { owner, invited, teamId } = await pendingPair();
    const lossy = callWith({ DB: losingReplies(db) });
    const first = await confirm(teamId, invited, invited, lossy);
    expect(first.status).toBe(200);
    expect(await confirm(teamId, invited, invited)).toMatchObject({ body: first.body });
    expect((await remove(teamId, invited, owner)).status).toBe(204);
    expect(await confirm(teamId, invited, invited)).toMatchObject(noTeam);
  });

  it("is confirmed by no other caller", async () => {
    const { owner, invited, teamId } = await pendingPair();
    for (const as of [owner, undefined])
      expect((await confirm(teamId, invited, as)).status).toBe(403);
    expect((await teamsOf(invited)).teams).toEqual([]);
  });

  it("declines by leaving, and is also removed by an owner", async () => {
    const { owner, invited, teamId } = await pendingPair();
    expect((await remove(teamId, invited, invited)).status).toBe(204);
    expect(await teamsOf(invited)).toMatchObject({ teams: [], pending: [] });
    expect(await confirm(teamId, invited, invited)).toMatchObject(noTeam);
    expect(await remove(teamId, invited, invited)).toMatchObject(noTeam);
    await add(teamId, invited.userId, owner);
    expect((await remove(teamId, invited, owner)).status).toBe(204);
    expect(await confirm(teamId, invited, invited)).toMatchObject(noTeam);
  });

  it("gets no other role before that", async () => {
    const { owner, invited, teamId } = await pendingPair();
    const stranger = await signUpAs("pro");
    for (const { userId } of [invited, stranger])
      for (const role of ["admin", "owner"])
        expect(await add(teamId, userId, owner, role)).toMatchObject(
          wrongState(
            "A user is added with the role member. Another role is possible once they have " +
              "confirmed.",
          ),
        );
  });

  it("is asked for two weeks, then no more, and the row is deleted", async () => {
    const { invited, teamId } = await pendingPair();
    await db
      .prepare("UPDATE pending_members SET expires_at = ?2 WHERE user_id = ?1")
      .bind(invited.userId, Date.now() - 1)
      .run();
    expect(await confirm(teamId, invited, invited)).toMatchObject(noTeam);
    expect(await runTask("expire-confirmations", {})).toMatchObject({ pendingMembers: 1 });
    expect(
      await db
        .prepare("SELECT COUNT(*) AS n FROM pending_members WHERE user_id = ?1")
        .bind(invited.userId)
        .first("n"),
    ).toBe(0);
  });
});

it("a confirmation that is over is not taken for one that D1 did not write", async () => {
  const { owner, invited, teamId } = await pendingPair();
  await db
    .prepare("UPDATE pending_members SET expires_at = ?2 WHERE user_id = ?1")
    .bind(invited.userId, Date.now() - 1)
    .run();
  await db
    .prepare(
      `CREATE TRIGGER refuse BEFORE INSERT ON pending_members
       BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`,
    )
    .run();
  const answer = await add(teamId, invited.userId, owner);
  await db.prepare("DROP TRIGGER refuse").run();
  expect(answer.status).toBe(503);
});

describe("adding a user reveals nothing about which ids exist", () => {
  it("answers, lists, repeats and removes the same for an id that no account has", async () => {
    const owner = await signUpAs("pro");
    const deleted = await signUpAs("free");
    await call("DELETE", `/api/users/${deleted.userId}`);
    const ids = [(await signUpAs("free")).userId, "never-was", deleted.userId];
    const seen = await Promise.all(
      ids.map(async (userId) => {
        const teamId = await createTeam(owner);
        const answers = [
          await remove(teamId, { userId }, owner),
          await add(teamId, userId, owner),
          await add(teamId, userId, owner),
          await add(teamId, userId, owner, "admin"),
          await call("GET", `/api/teams/${teamId}`, undefined, owner),
          await remove(teamId, { userId }, owner),
        ];
        return answers.map(({ status, body }) => ({
          status,
          body: JSON.stringify(body ?? null)
            .replaceAll(userId, "<id>")
            .replaceAll(teamId, "<team>")
            .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>"),
        }));
      }),
    );
    expect(seen[0]?.map(({ status }) => status)).toEqual([404, 200, 200, 409, 200, 204]);
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).toEqual(seen[0]);
  });
});

describe("teams without consent are no weapon", () => {
  it("a user whom strangers add and leave can still delete the account, and so can the admin", async () => {
    const attacker = await signUpAs("pro");
    const teamId = await createTeam(attacker);
    const victims = [await signUpAs("free"), await signUpAs("free")];
    for (const { userId } of victims) await add(teamId, userId, attacker);
    for (const { userId } of victims)
      expect((await add(teamId, userId, attacker, "owner")).status).toBe(409);
    expect((await remove(teamId, attacker, attacker)).status).toBe(409);
    const [own, byAdmin] = victims as [TestUser, TestUser];
    expect((await call("DELETE", `/api/users/${own.userId}`, undefined, own)).status).toBe(204);
    expect((await call("DELETE", `/api/users/${byAdmin.userId}`)).status).toBe(204);
    expect(
      await db
        .prepare("SELECT COUNT(*) AS n FROM pending_members WHERE team_id = ?1")
        .bind(teamId)
        .first("n"),
    ).toBe(0);
  });

  it("does not fill the target's fifty teams", async () => {
    const victim = await signUpAs("pro");
    const adders = await Promise.all(Array.from({ length: 3 }, () => signUpAs("pro")));
    for (const adder of adders)
      for (let n = 0; n < 20; n += 1)
        expect((await add(await createTeam(adder), victim.userId, adder)).status).toBe(200);
    expect((await teamsOf(victim)).pending).toHaveLength(60);
    expect((await call("POST", "/api/teams", { name: "Own" }, victim)).status).toBe(201);
  });

  it("limits open confirmations per user who adds, also concurrently and over teams", async () => {
    const owner = await signUpAs("pro");
    const teams = [await createTeam(owner), await createTeam(owner)] as const;
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, n) => add(teams[n % 2] as string, `guess-${n}`, owner)),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(20);
    expect(answers.find(({ status }) => status === 409)).toMatchObject(
      wrongState(
        "A user may wait for at most 20 confirmations. Each ends after 14 days, when it is " +
          "confirmed or declined, or when the user is removed.",
      ),
    );
    expect((await remove(teams[0], { userId: "guess-0" }, owner)).status).toBe(204);
    expect((await add(teams[1], "another-guess", owner)).status).toBe(200);
  });

  it("limits open confirmations per team", async () => {
    const owner = await signUpAs("pro");
    const teamId = await createTeam(owner);
    const now = Date.now();
    await db
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
         INSERT INTO pending_members SELECT ?1, 'waiting-' || i, 'someone', ?2, ?2 + ?3 FROM n`,
      )
      .bind(teamId, now, DAY_MS)
      .run();
    expect(await add(teamId, "one-more", owner)).toMatchObject(
      wrongState("A team waits for at most 50 confirmations."),
    );
    expect((await add(teamId, "waiting-1", owner)).status).toBe(200);
  });

  it("counts the limits of team and user when the user confirms", async () => {
    const { invited, teamId } = await pendingPair();
    await db.batch([
      db
        .prepare(
          `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
           INSERT INTO teams SELECT ?1 || '-' || i, 'Many', 0 FROM n`,
        )
        .bind(invited.userId),
      db
        .prepare(
          `INSERT INTO team_members SELECT team_id, ?1, 'member', 0 FROM teams
           WHERE team_id LIKE ?1 || '-%'`,
        )
        .bind(invited.userId),
    ]);
    expect(await confirm(teamId, invited, invited)).toMatchObject(
      wrongState("A user is a member of at most 50 teams."),
    );
    expect((await teamsOf(invited)).pending).toHaveLength(1);
  });
});

it("the admin, who is trusted, adds members at once and in any role", async () => {
  const { invited, teamId } = await pendingPair();
  expect((await add(teamId, invited.userId, undefined, "admin")).body.member).toMatchObject({
    role: "admin",
    confirmed: true,
  });
  expect(await teamsOf(invited)).toMatchObject({ teams: [{ teamId, role: "admin" }], pending: [] });
  expect(await add(teamId, "never-was")).toMatchObject({
    status: 404,
    body: { detail: "There is no such user." },
  });
});
