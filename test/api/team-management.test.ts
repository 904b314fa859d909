import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { call, callWith, rowsInAll, signUpAs, type TestUser } from "./support.ts";

/** Teams and workspaces are renamed, deleted and left. */

const db = env.DB;
const related = async ({ userId }: TestUser, what: string) =>
  (await call("GET", `/api/users/${userId}/${what}`)).body[what];
const intents = async () => await db.prepare("SELECT COUNT(*) AS n FROM purge_intents").first("n");

async function fullTeam() {
  const [owner, admin, member, stranger] = [
    await signUpAs("pro"),
    await signUpAs("pro"),
    await signUpAs("free"),
    await signUpAs("pro"),
  ];
  const { body } = await call("POST", "/api/teams", { name: "Core" }, owner);
  const teamId = body.team.teamId as string;
  for (const [{ userId }, role] of [
    [admin, "admin"],
    [member, "member"],
  ] as const)
    await call("POST", `/api/teams/${teamId}/members`, { userId, role });
  return { teamId, owner, admin, member, stranger };
}
const newWorkspace = async (by: TestUser, teamId?: string): Promise<string> =>
  (await call("POST", "/api/workspaces", { name: "Desk", teamId }, by)).body.workspace
    .workspaceId as string;

describe("a team", () => {
  it("is renamed by an owner or the admin, and cached reads show it at once", async () => {
    const { teamId, owner, member, stranger } = await fullTeam();
    await call("POST", `/api/teams/${teamId}/members`, { userId: stranger.userId }, owner);
    const names = async () => [
      (await related(member, "teams"))[0].name,
      (await call("GET", `/api/users/${stranger.userId}/teams`)).body.pending[0].name,
    ];
    expect(await names()).toEqual(["Core", "Core"]);
    for (const [as, name] of [
      [owner, " Kern "],
      [undefined, "Heart"],
    ] as const) {
      expect(await call("PATCH", `/api/teams/${teamId}`, { name }, as)).toMatchObject({
        status: 200,
        body: { team: { teamId, name: name.trim() } },
      });
      expect(await names()).toEqual([name.trim(), name.trim()]);
    }
    await eventually(async () => expect(await intents()).toBe(0));
  });

  it("is deleted by an owner with members, workspaces and open confirmations", async () => {
    const { teamId, owner, admin, member, stranger } = await fullTeam();
    await call("POST", `/api/teams/${teamId}/members`, { userId: stranger.userId }, owner);
    await newWorkspace(admin, teamId);
    for (const user of [owner, admin, member]) {
      expect(await related(user, "teams")).toHaveLength(1);
      expect(await related(user, "workspaces")).toHaveLength(1);
    }
    expect((await call("DELETE", `/api/teams/${teamId}`, undefined, owner)).status).toBe(204);
    for (const user of [owner, admin, member])
      for (const what of ["teams", "workspaces"]) expect(await related(user, what)).toEqual([]);
    expect((await call("GET", `/api/users/${owner.userId}/permissions`)).body.teams).toEqual([]);
    expect((await call("GET", `/api/users/${stranger.userId}/teams`)).body.pending).toEqual([]);
    expect((await call("GET", `/api/teams/${teamId}`)).status).toBe(404);
    expect((await call("DELETE", `/api/teams/${teamId}`)).status).toBe(404);
    await eventually(async () => expect(await intents()).toBe(0));
  });

  it("is neither renamed nor deleted by its admins, members or strangers", async () => {
    const { teamId, admin, member, stranger } = await fullTeam();
    const rows = await rowsInAll();
    for (const [as, status] of [
      [admin, 403],
      [member, 403],
      [stranger, 404],
    ] as const) {
      expect((await call("DELETE", `/api/teams/${teamId}`, undefined, as)).status).toBe(status);
      expect((await call("PATCH", `/api/teams/${teamId}`, { name: "X" }, as)).status).toBe(status);
    }
    expect((await call("PATCH", `/api/teams/${teamId}`, { name: " " })).status).toBe(422);
    expect(await rowsInAll()).toEqual(rows);
  });

  it("is not left by its only member, who gets the advice to delete it", async () => {
    const owner = await signUpAs("pro");
    const { body } = await call("POST", "/api/teams", { name: "Alone" }, owner);
    const path = `/api/teams/${body.team.teamId}`;
    expect(await call("DELETE", `${path}/members/${owner.userId}`, undefined, owner)).toMatchObject(
      {
        status: 409,
        body: { detail: "The team has no other member: delete it instead." },
      },
    );
    expect((await call("DELETE", path, undefined, owner)).status).toBe(204);
  });

  it("frees its owner's fifty teams and their account when it is deleted", async () => {
    const { teamId, owner } = await fullTeam();
    expect((await call("DELETE", `/api/users/${owner.userId}`, undefined, owner)).status).toBe(409);
    await call("DELETE", `/api/teams/${teamId}`, undefined, owner);
    expect((await call("DELETE", `/api/users/${owner.userId}`, undefined, owner)).status).toBe(204);
  });

  it("gets a definite answer after a lost reply of D1", async () => {
    const { teamId, owner } = await fullTeam();
    const lossy = () => callWith({ DB: losingReplies(db) });
    const renamed = await lossy()("PATCH", `/api/teams/${teamId}`, { name: "Lost" }, owner);
    expect(renamed).toMatchObject({ status: 200, body: { team: { name: "Lost" } } });
    expect((await lossy()("DELETE", `/api/teams/${teamId}`, undefined, owner)).status).toBe(204);
  });
});

describe("a workspace", () => {
  const rename = (id: string, as?: TestUser, api = call) =>
    api("PATCH", `/api/workspaces/${id}`, { name: "Studio" }, as);
  const remove = (id: string, as?: TestUser, api = call) =>
    api("DELETE", `/api/workspaces/${id}`, undefined, as);

  it("of a person is renamed and deleted by that person and the admin only", async () => {
    const [ada, other] = [await signUpAs("free"), await signUpAs("pro")];
    const id = await newWorkspace(ada);
    for (const change of [rename, remove])
      expect(await change(id, other)).toMatchObject({
        status: 404,
        body: { detail: "There is no such workspace." },
      });
    expect(await related(ada, "workspaces")).toMatchObject([{ name: "Desk" }]);
    expect(await rename(id, ada)).toMatchObject({
      status: 200,
      body: { workspace: { workspaceId: id, name: "Studio", teamId: null } },
    });
    expect(await related(ada, "workspaces")).toMatchObject([{ name: "Studio" }]);
    expect((await remove(id, ada)).status).toBe(204);
    expect(await related(ada, "workspaces")).toEqual([]);
    expect((await remove(id, ada)).status).toBe(404);
    expect((await rename(await newWorkspace(ada))).status).toBe(200);
  });

  it("of a team is renamed and deleted by owners, admins and its creator while a member", async () => {
    const { teamId, owner, admin, member, stranger } = await fullTeam();
    const id = await newWorkspace(admin, teamId);
    expect((await rename(id, member)).status).toBe(403);
    expect((await remove(id, stranger)).status).toBe(404);
    expect(await related(member, "workspaces")).toMatchObject([{ name: "Desk" }]);
    expect((await rename(id, owner)).status).toBe(200);
    expect(await related(member, "workspaces")).toMatchObject([{ name: "Studio" }]);
    await call("POST", `/api/teams/${teamId}/members`, { userId: admin.userId, role: "member" });
    expect((await remove(id, admin)).status).toBe(204);
    for (const user of [owner, admin, member])
      expect(await related(user, "workspaces")).toEqual([]);
    const left = await newWorkspace(owner, teamId);
    await call("POST", `/api/teams/${teamId}/members`, { userId: member.userId, role: "owner" });
    await call("DELETE", `/api/teams/${teamId}/members/${owner.userId}`, undefined, owner);
    expect((await remove(left, owner)).status).toBe(404);
    await eventually(async () => expect(await intents()).toBe(0));
  });

  it("of a team that its creator has left does not count for the creator's hundred", async () => {
    const { teamId, owner, admin } = await fullTeam();
    await db
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
         INSERT INTO workspaces SELECT ?1 || '-' || i, ?1, ?2, 'Many', 0 FROM n`,
      )
      .bind(teamId, admin.userId)
      .run();
    expect((await call("POST", "/api/workspaces", { name: "Mine" }, admin)).status).toBe(409);
    await call("DELETE", `/api/teams/${teamId}/members/${admin.userId}`, undefined, owner);
    expect((await call("POST", "/api/workspaces", { name: "Mine" }, admin)).status).toBe(201);
  });

  it("of a team is one of at most a thousand", async () => {
    const { teamId, owner, stranger } = await fullTeam();
    await db
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         INSERT INTO workspaces SELECT ?1 || '-' || i, ?1, ?2, 'Many', 0 FROM n`,
      )
      .bind(teamId, stranger.userId)
      .run();
    expect(await call("POST", "/api/workspaces", { name: "W", teamId }, owner)).toMatchObject({
      status: 409,
      body: { detail: "A team has at most 1000 workspaces." },
    });
  });

  it("gets a definite answer after a lost reply of D1", async () => {
    const { teamId, owner, member } = await fullTeam();
    const lossy = () => callWith({ DB: losingReplies(db) });
    const id = await newWorkspace(owner, teamId);
    expect((await rename(id, owner, lossy())).body.workspace).toMatchObject({ name: "Studio" });
    expect((await remove(id, owner, lossy())).status).toBe(204);
    expect(
      (
        await call("GET", `/api/users/${member.userId}/workspaces`, undefined, {
          headers: { "Cache-Control": "no-cache" },
        })
      ).body.workspaces,
    ).toEqual([]);
  });
});
