import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, inject, it } from "vitest";
import type { Role } from "../../shared/accounts/rules/schemas.ts";
import { databaseRuns } from "../support/database-runs.ts";
import { eventually } from "../support/eventually.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { withOthers } from "../support/meanwhile.ts";
import { call, callWith, deadDatabase, rowsInAll, signUpAs, type TestUser } from "./support.ts";

const db = env.DB;
const no = (what: string) => ({
  status: 404,
  body: { type: "urn:luna:problem:not-found", detail: `There is no such ${what}.` },
});
const wrongState = { status: 409, body: { type: "urn:luna:problem:wrong-state" } };

async function createTeam(owner: TestUser, name = "Core"): Promise<string> {
  const { status, body } = await call("POST", "/api/teams", { name }, owner);
  expect(status).toBe(201);
  return body.team.teamId as string;
}
const addBy =
  (api: typeof call) =>
  (teamId: string, { userId }: { userId: string }, role: Role, as?: TestUser) =>
    api("POST", `/api/teams/${teamId}/members`, { userId, role }, as);
const add = addBy(call);
const remove = (
  teamId: string,
  { userId }: { userId: string },
  as?: TestUser,
  api: typeof call = call,
) => api("DELETE", `/api/teams/${teamId}/members/${userId}`, undefined, as);
const confirm = (teamId: string, user: TestUser, api: typeof call = call) =>
  api("POST", `/api/teams/${teamId}/members/${user.userId}/confirm`, undefined, user);
const rolesIn = async (teamId: string): Promise<Record<string, string>> => {
  const { results } = await db
    .prepare("SELECT user_id AS id, role FROM team_members WHERE team_id = ?1")
    .bind(teamId)
    .all<{ id: string; role: string }>();
  return Object.fromEntries(results.map(({ id, role }) => [id, role]));
};
const related = async ({ userId }: TestUser, what: string) =>
  (await call("GET", `/api/users/${userId}/${what}`)).body;
const intents = async () =>
  (await db.prepare("SELECT COUNT(*) AS n FROM purge_intents").first<number>("n")) ?? -1;

/** Calls whose batches are watched. `purges` returns the tags that each has added. */
function watchingPurges() {
  const seen = new Map<string, string[]>();
  const watchedDb = new Proxy(db, {
    get(target, name) {
      if (name !== "batch") return Reflect.get(target, name).bind(target);
      return async (statements: D1PreparedStatement[]) => {
        const reply = await target.batch(statements);
        const { results } = await target
          .prepare("SELECT id, tags FROM purge_intents")
          .all<{ id: string; tags: string }>();
        for (const { id, tags } of results) seen.set(id, JSON.parse(tags) as string[]);
        return reply;
      };
    },
  });
  return {
    watched: callWith({ DB: watchedDb }),
    purges: () => [...seen.values()].map((tags) => tags.toSorted()),
  };
}

/** A team with one of each role. */
async function fullTeam() {
  const [owner, admin, member, stranger] = [
    await signUpAs("pro"),
    await signUpAs("pro"),
    await signUpAs("free"),
    await signUpAs("pro"),
  ];
  const teamId = await createTeam(owner);
  expect((await add(teamId, admin, "admin")).status).toBe(200);
  expect((await add(teamId, member, "member")).status).toBe(200);
  return { teamId, owner, admin, member, stranger };
}

describe("POST /api/teams", () => {
  it("makes the caller the owner, and cached teams and permissions show it at once", async () => {
    const owner = await signUpAs("pro");
    expect([
      (await related(owner, "teams")).teams,
      (await related(owner, "permissions")).teams,
    ]).toEqual([[], []]);
    const created = await call("POST", "/api/teams", { name: "  Core  " }, owner);
    expect(created).toMatchObject({ status: 201, body: { team: { name: "Core" } } });
    const { teamId, createdAt } = created.body.team;
    expect(created.headers.get("Location")).toBe(`/api/teams/${teamId}`);
    expect((await related(owner, "teams")).teams).toEqual([
      { teamId, name: "Core", role: "owner", joinedAt: createdAt },
    ]);
    expect((await related(owner, "permissions")).teams).toEqual([
      {
        teamId,
        role: "owner",
        permissions: [
          "team:read",
          "team:invite",
          "workspaces:create",
          "team:manage-roles",
          "team:manage",
        ],
      },
    ]);
    expect((await call("GET", `/api/teams/${teamId}`, undefined, owner)).body).toEqual({
      team: created.body.team,
      members: [{ userId: owner.userId, role: "owner", joinedAt: createdAt, confirmed: true }],
    });
    await eventually(async () => expect(await intents()).toBe(0));
  });

  it("needs teams:create, a name, and a user", async () => {
    const before = await signUpAs("free");
    const owner = await signUpAs("pro");
    const rows = await rowsInAll();
    expect(await call("POST", "/api/teams", { name: "Core" }, before)).toMatchObject({
      status: 403,
    });
    expect(await call("POST", "/api/teams", { name: " " }, owner)).toMatchObject({ status: 422 });
    expect(await call("POST", "/api/teams", { name: "Core" })).toMatchObject({ status: 403 });
    expect(await rowsInAll()).toEqual(rows);
  });

  it("limits a user to 50 teams, also if they create many concurrently", async () => {
    const owner = await signUpAs("pro");
    await db.batch([
      db
        .prepare(
          `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 47)
           INSERT INTO teams SELECT ?1 || '-' || i, 'Many', 0 FROM n`,
        )
        .bind(owner.userId),
      db
        .prepare(
          `INSERT INTO team_members SELECT team_id, ?1, 'owner', 0 FROM teams
           WHERE team_id LIKE ?1 || '-%'`,
        )
        .bind(owner.userId),
    ]);
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => call("POST", "/api/teams", { name: "One more" }, owner)),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([
      201,
      201,
      201,
      ...Array.from({ length: 9 }, () => 409),
    ]);
    expect((await related(owner, "teams")).teams).toHaveLength(50);
    const other = await createTeam(await signUpAs("pro"));
    expect(await add(other, owner, "member")).toMatchObject({
      ...wrongState,
      body: { detail: "A user is a member of at most 50 teams." },
    });
    expect(
      await db
        .prepare(
          "SELECT COUNT(*) AS n FROM teams WHERE team_id NOT IN (SELECT team_id FROM team_members)",
        )
        .first("n"),
    ).toBe(0);
  });
});

describe("a team", () => {
  it("is visible only to its members and the admin", async () => {
    const { teamId, owner, admin, member, stranger } = await fullTeam();
    for (const reader of [owner, admin, member, undefined])
      expect(
        (await call("GET", `/api/teams/${teamId}`, undefined, reader)).body.members,
      ).toMatchObject([
        { userId: owner.userId, role: "owner" },
        { userId: admin.userId, role: "admin" },
        { userId: member.userId, role: "member" },
      ]);
    for (const [path, as] of [
      [teamId, stranger],
      ["never-was", stranger],
      ["never-was", undefined],
    ] as const) {
      expect(await call("GET", `/api/teams/${path}`, undefined, as)).toMatchObject(no("team"));
      expect(await add(path, stranger, "member", as)).toMatchObject(no("team"));
      expect(await remove(path, owner, as)).toMatchObject(no("team"));
    }
    for (const path of [teamId, "never-was"])
      expect(
        await call("POST", "/api/workspaces", { name: "W", teamId: path }, stranger),
      ).toMatchObject(no("team"));
  });

  it("lets each role do what the rules allow, and a refusal writes nothing", async () => {
    const { teamId, owner, admin, member, stranger } = await fullTeam();
    const rows = await rowsInAll();
    const refused = await Promise.all([
      add(teamId, stranger, "member", member),
      add(teamId, stranger, "admin", admin),
      add(teamId, member, "admin", admin),
      add(teamId, owner, "member", admin),
      remove(teamId, admin, member),
      remove(teamId, owner, admin),
      call("POST", "/api/workspaces", { name: "W", teamId }, member),
    ]);
    expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 403));
    expect(await rowsInAll()).toEqual(rows);
    expect((await add(teamId, stranger, "member", admin)).body.member).toMatchObject({
      userId: stranger.userId,
      role: "member",
    });
    expect((await remove(teamId, stranger, admin)).status).toBe(204);
    expect((await add(teamId, member, "owner", owner)).body.member).toMatchObject({
      role: "owner",
    });
    expect((await remove(teamId, owner, member)).status).toBe(204);
    expect(await rolesIn(teamId)).toEqual({ [admin.userId]: "admin", [member.userId]: "owner" });
  });

  it("shows its changes to the affected members at once, despite cached values", async () => {
    const { teamId, owner, stranger } = await fullTeam();
    await call("POST", "/api/workspaces", { name: "Ours", teamId }, owner);
    const shown = async () => [
      (await related(stranger, "teams")).teams.map(({ role }: { role: string }) => role),
      (await related(stranger, "permissions")).teams.map(
        (team: { permissions: string[] }) => team.permissions,
      ),
      (await related(stranger, "workspaces")).workspaces.map(({ name }: { name: string }) => name),
    ];
    expect(await shown()).toEqual([[], [], []]);
    await add(teamId, stranger, "member", owner);
    expect(await shown()).toEqual([[], [], []]);
    await confirm(teamId, stranger);
    expect(await shown()).toEqual([["member"], [["team:read"]], ["Ours"]]);
    await add(teamId, stranger, "admin", owner);
    expect(await shown()).toEqual([
      ["admin"],
      [["team:read", "team:invite", "workspaces:create"]],
      ["Ours"],
    ]);
    await call("POST", "/api/workspaces", { name: "Theirs", teamId }, stranger);
    expect((await shown())[2]).toEqual(["Ours", "Theirs"]);
    await remove(teamId, stranger, stranger);
    expect(await shown()).toEqual([[], [], []]);
  });

  it("writes the purge of a member in the batch that adds, confirms, changes or removes them", async () => {
    const { teamId, owner, stranger } = await fullTeam();
    const purge = ["permissions", "teams", "workspaces"].map(
      (what) => `user:${stranger.userId}:${what}`,
    );
    const changes: ((api: typeof call) => ReturnType<typeof call>)[] = [
      (api) => addBy(api)(teamId, stranger, "member", owner),
      (api) => remove(teamId, stranger, stranger, api),
      (api) => addBy(api)(teamId, stranger, "member", owner),
      (api) => confirm(teamId, stranger, api),
      (api) => addBy(api)(teamId, stranger, "admin", owner),
      (api) => remove(teamId, stranger, owner, api),
    ];
    for (const change of changes) {
      await eventually(async () => expect(await intents()).toBe(0));
      const { watched, purges } = watchingPurges();
      expect((await change(watched)).status).toBeLessThan(300);
      expect(purges()).toEqual([purge]);
    }
  });

  it("refuses absent and deleted users, strangers, and inviters without the tier", async () => {
    const { teamId, owner, stranger } = await fullTeam();
    const deleted = await signUpAs("free");
    await call("DELETE", `/api/users/${deleted.userId}`);
    for (const userId of ["never-was", deleted.userId]) {
      expect(await add(teamId, { userId }, "member")).toMatchObject(no("user"));
      expect(await remove(teamId, { userId })).toMatchObject(no("user"));
    }
    expect(await remove(teamId, stranger, owner)).toMatchObject(no("member"));
    await call("PATCH", `/api/users/${owner.userId}`, { tier: "free" });
    expect(await add(teamId, stranger, "member", owner)).toMatchObject({ status: 403 });
    expect(await add(teamId, stranger, "member")).toMatchObject({ status: 200 });
  });

  it("has at most two hundred members, though many are added at once", async () => {
    const owner = await signUpAs("pro");
    const teamId = await createTeam(owner);
    await db.batch([
      db.prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 210)
         INSERT INTO users (user_id, tier, created_at, updated_at)
         SELECT 'crowd-' || i, 'free', 0, 0 FROM n`,
      ),
      db
        .prepare(
          `INSERT INTO team_members SELECT ?1, user_id, 'member', 0 FROM users
           WHERE user_id LIKE 'crowd-%' ORDER BY user_id LIMIT 197`,
        )
        .bind(teamId),
    ]);
    const { results } = await db
      .prepare(
        `SELECT user_id AS userId FROM users
         WHERE user_id LIKE 'crowd-%' AND user_id NOT IN (SELECT user_id FROM team_members)`,
      )
      .all<{ userId: string }>();
    const answers = await Promise.all(
      results.slice(0, 10).map((user) => add(teamId, user, "member")),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(2);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(8);
    expect(Object.keys(await rolesIn(teamId))).toHaveLength(200);
  });

  it("gives a definite answer after a lost reply of D1, or an unknown outcome", async () => {
    const { teamId, owner, member, stranger } = await fullTeam();
    const lossy = () => callWith({ DB: losingReplies(db) });
    const created = await lossy()("POST", "/api/teams", { name: "Lost" }, owner);
    expect(created.status).toBe(201);
    expect(await rolesIn(created.body.team.teamId as string)).toEqual({ [owner.userId]: "owner" });
    expect((await addBy(lossy())(teamId, stranger, "admin")).body.member).toMatchObject({
      role: "admin",
    });
    expect((await remove(teamId, stranger, undefined, lossy())).status).toBe(204);
    const workspace = await lossy()("POST", "/api/workspaces", { name: "Lost", teamId }, owner);
    expect(workspace).toMatchObject({ status: 201, body: { workspace: { name: "Lost", teamId } } });
    expect(
      (
        await call("GET", `/api/users/${member.userId}/workspaces`, undefined, {
          headers: { "Cache-Control": "no-cache" },
        })
      ).body.workspaces,
    ).toEqual([workspace.body.workspace]);
    expect((await addBy(callWith({ DB: deadDatabase }))(teamId, stranger, "member")).status).toBe(
      503,
    );
  });
});

describe("a workspace", () => {
  it("of a team is visible at once to all current members and to no other user", async () => {
    const { teamId, owner, admin, member, stranger } = await fullTeam();
    for (const user of [owner, admin, member, stranger])
      expect((await related(user, "workspaces")).workspaces).toEqual([]);
    const created = await call("POST", "/api/workspaces", { name: "Ours", teamId }, admin);
    expect(created).toMatchObject({ status: 201, body: { workspace: { name: "Ours", teamId } } });
    for (const user of [owner, admin, member])
      expect((await related(user, "workspaces")).workspaces).toEqual([created.body.workspace]);
    expect((await related(stranger, "workspaces")).workspaces).toEqual([]);
    await eventually(async () => expect(await intents()).toBe(0));
  });

  it("writes its purge for exactly the members of that moment, in its own batch", async () => {
    const { teamId, owner, admin, member } = await fullTeam();
    await eventually(async () => expect(await intents()).toBe(0));
    const { watched, purges } = watchingPurges();
    await watched("POST", "/api/workspaces", { name: "Ours", teamId }, owner);
    expect(purges()).toEqual([
      [owner, admin, member].map(({ userId }) => `user:${userId}:workspaces`).toSorted(),
    ]);
  });

  it("is personal without a team; a user owns at most 100, also concurrently", async () => {
    const ada = await signUpAs("free");
    expect(
      (await call("POST", "/api/workspaces", { name: "Mine" }, ada)).body.workspace,
    ).toMatchObject({ name: "Mine", teamId: null });
    await db
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 97)
         INSERT INTO workspaces SELECT ?1 || '-' || i, NULL, ?1, 'Many', 0 FROM n`,
      )
      .bind(ada.userId)
      .run();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => call("POST", "/api/workspaces", { name: "One more" }, ada)),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([
      201, 201, 409, 409, 409, 409, 409, 409,
    ]);
    expect((await related(ada, "workspaces")).workspaces).toHaveLength(100);
  });
});

describe("the last owner", () => {
  it("can neither leave nor be demoted nor be removed nor delete their account", async () => {
    const { teamId, owner } = await fullTeam();
    for (const as of [owner, undefined]) {
      expect(await remove(teamId, owner, as)).toMatchObject(wrongState);
      expect(await add(teamId, owner, "admin", as)).toMatchObject(wrongState);
      expect(await call("DELETE", `/api/users/${owner.userId}`, undefined, as)).toMatchObject(
        wrongState,
      );
    }
    expect((await call("GET", "/api/me", undefined, owner)).status).toBe(200);
  });

  it("remains, when twenty at once demote, remove and delete the two that there are", async () => {
    for (let round = 0; round < 5; round += 1) {
      const { teamId, owner, member } = await fullTeam();
      await add(teamId, member, "owner");
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, n) => {
          const whom = n % 2 === 0 ? owner : member;
          if (n % 5 === round) return call("DELETE", `/api/users/${whom.userId}`);
          return n % 3 === 0 ? add(teamId, whom, "member") : remove(teamId, whom);
        }),
      );
      for (const { status } of answers) expect([200, 204, 404, 409]).toContain(status);
      expect(Object.values(await rolesIn(teamId)).filter((role) => role === "owner")).toHaveLength(
        1,
      );
    }
  });

  const someone = fc.nat({ max: 3 });
  const anyRole = fc.constantFrom<Role>("owner", "admin", "member");
  const anyChange = fc.oneof(
    fc.record({
      do: fc.constant("make" as const),
      as: fc.nat({ max: 4 }),
      whom: someone,
      role: anyRole,
    }),
    fc.record({ do: fc.constant("remove" as const), as: fc.nat({ max: 4 }), whom: someone }),
    fc.record({ do: fc.constant("delete" as const), whom: someone }),
    fc.record({ do: fc.constant("confirm" as const), whom: someone }),
  );

  it("remains under any concurrent changes, and no deleted user stays a member", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRole, { minLength: 3, maxLength: 3 }),
        fc.array(fc.array(anyChange, { minLength: 1, maxLength: 10 }), { maxLength: 3 }),
        async (given, rounds) => {
          const users = await Promise.all(Array.from({ length: 4 }, () => signUpAs("pro")));
          const at = (n: number): TestUser => users[n] as TestUser;
          const teamId = await createTeam(at(0));
          for (const [n, role] of given.entries()) await add(teamId, at(n + 1), role);
          for (const round of rounds) {
            await Promise.all(
              round.map((change) => {
                if (change.do === "delete")
                  return call("DELETE", `/api/users/${at(change.whom).userId}`);
                if (change.do === "confirm") return confirm(teamId, at(change.whom));
                // The fifth is the admin.
                const as = users[change.as];
                return change.do === "make"
                  ? add(teamId, at(change.whom), change.role, as)
                  : remove(teamId, at(change.whom), as);
              }),
            );
            const roles = await rolesIn(teamId);
            const stands =
              (await db.prepare("SELECT 1 FROM teams WHERE team_id = ?1").bind(teamId).first()) !==
              null;
            expect(Object.values(roles).includes("owner")).toBe(stands);
            const { results } = await db
              .prepare(
                `SELECT user_id AS id FROM team_members JOIN users USING (user_id)
                 WHERE deleted_at IS NOT NULL`,
              )
              .all();
            expect(results).toEqual([]);
          }
        },
      ),
      {
        numRuns: Math.ceil(databaseRuns(inject("runs")) / 4),
        seed: inject("seed"),
        endOnFailure: false,
      },
    );
  });
});

describe("what others change between the reading and the writing of a request", () => {
  const racing = (act: () => Promise<unknown>, times?: number) =>
    callWith({ DB: withOthers(db, act, times) });

  it("is decided again: an owner leaves, the actor is removed, or the target changes", async () => {
    const { teamId, owner, admin, member, stranger } = await fullTeam();
    await add(teamId, member, "owner");
    expect(
      await remove(
        teamId,
        owner,
        owner,
        racing(() => remove(teamId, member, member)),
      ),
    ).toMatchObject(wrongState);
    expect(await addBy(racing(async () => undefined))(teamId, owner, "admin")).toMatchObject(
      wrongState,
    );

    expect(
      await addBy(racing(() => remove(teamId, admin, owner)))(teamId, stranger, "member", admin),
    ).toMatchObject(no("team"));
    await add(teamId, admin, "admin");
    await add(teamId, member, "member");
    expect(
      await remove(
        teamId,
        member,
        admin,
        racing(() => add(teamId, member, "admin")),
      ),
    ).toMatchObject({ status: 403 });
    const deletes = () => call("DELETE", `/api/users/${stranger.userId}`);
    expect(await addBy(racing(deletes))(teamId, stranger, "member")).toMatchObject(no("user"));
    expect(await rolesIn(teamId)).toEqual({
      [owner.userId]: "owner",
      [admin.userId]: "admin",
      [member.userId]: "admin",
    });
  });

  it("counts for permissions too: the tier, and the role that allows a workspace", async () => {
    const { teamId, owner, admin, stranger } = await fullTeam();
    const lapses = () => call("PATCH", `/api/users/${owner.userId}`, { tier: "free" });
    expect(await addBy(racing(lapses))(teamId, stranger, "member", owner)).toMatchObject({
      status: 403,
    });
    await call("PATCH", `/api/users/${owner.userId}`, { tier: "pro" });
    expect(await racing(lapses)("POST", "/api/teams", { name: "Another" }, owner)).toMatchObject({
      status: 403,
    });
    const demoted = () => add(teamId, admin, "member");
    expect(
      await racing(demoted)("POST", "/api/workspaces", { name: "W", teamId }, admin),
    ).toMatchObject({ status: 403 });
    expect(await rolesIn(teamId)).not.toHaveProperty(stranger.userId);
    expect(
      await db
        .prepare("SELECT COUNT(*) AS n FROM workspaces WHERE team_id = ?1")
        .bind(teamId)
        .first("n"),
    ).toBe(0);
  });

  it("is no failure if it may still be done, and a failure that names it if it never stops", async () => {
    const { teamId, member, stranger } = await fullTeam();
    const ownersChange = async () => {
      await ((await rolesIn(teamId))[member.userId] === "owner"
        ? add(teamId, member, "member")
        : add(teamId, member, "owner"));
    };
    expect((await addBy(racing(ownersChange, 3))(teamId, stranger, "member")).status).toBe(200);
    const answer = await remove(teamId, stranger, undefined, racing(ownersChange, 100));
    expect(answer).toMatchObject({
      ...wrongState,
      body: { detail: expect.stringContaining("try again") },
    });
    expect(await rolesIn(teamId)).toHaveProperty(stranger.userId, "member");
  });
});
