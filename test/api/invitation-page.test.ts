import { env, exports } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { call, rowsInAll, signUpAs } from "./support.ts";

const db = env.DB;

beforeEach(async () => {
  await db.batch(
    ["team_invitations", "invitation_emails", "emails", "audit_log"].map((table) =>
      db.prepare(`DELETE FROM ${table}`),
    ),
  );
});

const open = (path: string, init?: RequestInit) =>
  exports.default.fetch(new Request(`http://luna.test${path}`, init));
const press = (path: string, choice: string) =>
  open(path, {
    method: "POST",
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: `choice=${choice}`,
  });

async function invited(email?: string) {
  const [owner, guest] = [await signUpAs("pro"), await signUpAs("free")];
  const name = "Core <b>&</b>";
  const teamId = (await call("POST", "/api/teams", { name }, owner)).body.team.teamId as string;
  const to = email ?? guest.email;
  await call("POST", `/api/teams/${teamId}/invitations`, { email: to, role: "admin" }, owner);
  const text = await db
    .prepare(
      `SELECT c.text FROM emails AS e JOIN email_contents AS c ON c.email_id = e.id
       WHERE e.to_address = ?1 AND c.text LIKE '%/invitations/%'`,
    )
    .bind(to)
    .first<string>("text");
  const path = /\/invitations\/[\w-]{43}/.exec(text ?? "")?.[0] ?? "";
  const roleOf = async (userId: string): Promise<string | undefined> =>
    (await call("GET", `/api/teams/${teamId}`)).body.members.find(
      (member: { userId: string }) => member.userId === userId,
    )?.role;
  return { guest, teamId, path, roleOf };
}

describe("the page of an invitation", () => {
  it("asks first, shows the team without its markup, and opening it changes nothing", async () => {
    const { guest, path, roleOf } = await invited();
    const before = await rowsInAll();
    const page = await open(path);
    expect(page.status).toBe(200);
    expect(page.headers.get("Content-Security-Policy")).toMatch(/^default-src 'none'/);
    const html = await page.text();
    expect(html).toContain("<strong>Core &lt;b&gt;&amp;&lt;/b&gt;</strong> with the role admin");
    expect(html).not.toContain(guest.email);
    await press(path, "neither");
    await open(path, { method: "HEAD" });
    expect(await rowsInAll()).toEqual(before);
    expect(await db.prepare("SELECT status FROM team_invitations").first("status")).toBe("open");
    expect(await roleOf(guest.userId)).toBeUndefined();
  });

  it("makes the account of the address a member, and a repeat gets the same page", async () => {
    const { guest, teamId, path, roleOf } = await invited();
    for (let times = 0; times < 2; times += 1) {
      const done = await press(path, "accept");
      expect(done.status).toBe(200);
      expect(await done.text()).toContain("You have accepted");
    }
    expect(await roleOf(guest.userId)).toBe("admin");
    expect(await (await open(path)).text()).toContain("You have accepted");
    await eventually(async () => {
      const { results } = await db
        .prepare("SELECT * FROM audit_log WHERE operation = 'answerInvitation'")
        .all();
      expect(results).toMatchObject([
        { actor: `user:${guest.userId}`, path: "/invitations/:token", status: 200 },
      ]);
      expect(results[0]?.["changes"]).toContain(teamId);
    });
  });

  it("declines, after which the link accepts nothing", async () => {
    const { guest, path, roleOf } = await invited();
    expect(await (await press(path, "decline")).text()).toContain("You have declined");
    expect((await press(path, "accept")).status).toBe(404);
    expect(await (await open(path)).text()).toContain("You have declined");
    expect(await roleOf(guest.userId)).toBeUndefined();
  });

  it("makes no suspended user a member, and does once the suspension ends", async () => {
    const { guest, path, roleOf } = await invited();
    await call("POST", `/api/users/${guest.userId}/suspend`, { reason: "abuse" });
    expect((await press(path, "accept")).status).toBe(403);
    expect(await roleOf(guest.userId)).toBeUndefined();
    await call("POST", `/api/users/${guest.userId}/resume`);
    expect((await press(path, "accept")).status).toBe(200);
    expect(await roleOf(guest.userId)).toBe("admin");
  });

  it("of an address without an account asks to sign up, and works after that", async () => {
    const email = `${crypto.randomUUID()}@example.com`;
    const { path, roleOf } = await invited(email);
    const html = await (await open(path)).text();
    expect(html).toContain("There is no account with this address yet");
    expect(html).not.toContain("Accept");
    expect((await press(path, "accept")).status).toBe(404);
    const userId = `late-${crypto.randomUUID()}`;
    await call("POST", "/api/users", { userId, email });
    expect((await press(path, "accept")).status).toBe(200);
    expect(await roleOf(userId)).toBe("admin");
  });

  it("with a wrong token, or revoked, is a 404 and changes nothing", async () => {
    const { teamId, path } = await invited();
    await db.prepare("UPDATE team_invitations SET status = 'revoked'").run();
    const before = await rowsInAll();
    for (const bad of [path, `${path}x`, "/invitations/x", "/invitations/%ED%A0%BC"])
      for (const method of ["GET", "POST"])
        expect((await open(bad, { method })).status, `${method} ${bad}`).toBe(404);
    expect(await rowsInAll()).toEqual(before);
    expect((await call("GET", `/api/teams/${teamId}`)).body.members).toHaveLength(1);
  });
});
