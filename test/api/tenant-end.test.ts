import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { losingReplies } from "../support/lossy-database.ts";
import { runTask } from "../support/run-task.ts";
import { call, callWith, signUpAs, type TestUser } from "./support.ts";

/** What becomes of the emails of a user whose account or key ends. */

const db = env.DB;
const later = () => new Date(Date.now() + 3_600_000).toISOString();

async function sender(): Promise<TestUser> {
  const user = await signUpAs("free");
  await call("PATCH", `/api/users/${user.userId}`, { scopes: ["emails:send"] });
  return user;
}
async function send(user: TestUser, changes: object = {}): Promise<string> {
  const email = { to: "eve@example.com", subject: "Hi", text: "Hi", ...changes };
  const { status, body } = await call("POST", "/api/emails", email, user);
  expect(status).toBe(202);
  return body.id as string;
}
const statusOf = async (id: string) => (await call("GET", `/api/emails/${id}`)).body.status;
const endOf = (user: TestUser) =>
  db
    .prepare(
      "SELECT ended_until AS until, swept_at AS sweptAt FROM ended_tenants WHERE tenant = ?1",
    )
    .bind(`user:${user.userId}`)
    .first<{ until: number; sweptAt: number | null }>();
const sweep = () => runTask("cancel-unsent", {});

describe("deleting an account", () => {
  it("ends its tenant in its batch, and the task cancels what has not left", async () => {
    const [user, other] = [await sender(), await sender()];
    const ids = [await send(user), await send(user, { sendAt: later() })];
    const kept = await send(other, { sendAt: later() });
    for (const { userId } of [user, other]) {
      const body = { address: "eve@example.com", tenant: `user:${userId}` };
      await call("POST", "/api/admin/email/suppressions", body);
    }
    expect((await call("DELETE", `/api/users/${user.userId}`, undefined, user)).status).toBe(204);
    expect(await endOf(user)).toEqual({ until: Number.MAX_SAFE_INTEGER, sweptAt: null });
    expect(await sweep()).toMatchObject({ cancelled: 2 });
    for (const id of ids) {
      const { body } = await call("GET", `/api/emails/${id}`);
      expect(body.status).toBe("cancelled");
      expect(body.events.at(-1)).toMatchObject({ type: "cancelled" });
    }
    expect(await statusOf(kept)).toBe("scheduled");
    expect(await sweep()).toMatchObject({ cancelled: 0 });
    const { body } = await call("GET", "/api/admin/email/suppressions?address=eve@example.com");
    expect(body.items).toMatchObject([{ tenant: `user:${other.userId}` }]);
  });

  it("ends no tenant if it is refused, and does after a lost reply", async () => {
    const [owner, member] = [await signUpAs("pro"), await signUpAs("free")];
    const { team } = (await call("POST", "/api/teams", { name: "Core" }, owner)).body;
    await call("POST", `/api/teams/${team.teamId}/members`, { userId: member.userId });
    expect((await call("DELETE", `/api/users/${owner.userId}`)).status).toBe(409);
    expect(await endOf(owner)).toBeNull();
    const lossy = callWith({ DB: losingReplies(db) });
    expect((await lossy("DELETE", `/api/users/${member.userId}`)).status).toBe(204);
    expect(await endOf(member)).toMatchObject({ until: Number.MAX_SAFE_INTEGER });
  });

  it("leaves nothing unsent of more emails than one page, over several runs", async () => {
    const user = await sender();
    await db
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
         INSERT INTO emails (id, tenant, generation_at, status, from_address, to_address, subject,
           due_at, ring_after, created_at, updated_at)
         SELECT ?1 || i, 'user:' || ?1, 1, IIF(i % 2, 'scheduled', 'queued'), 'a@b.cc', 'd@e.ff',
           'Hi', 9e15, 9e15, i, i FROM n`,
      )
      .bind(user.userId)
      .run();
    await call("DELETE", `/api/users/${user.userId}`);
    const stopped = new AbortController();
    stopped.abort();
    const halted = await runTask("cancel-unsent", {}, stopped.signal);
    expect(halted).toMatchObject({ cancelled: 0, late: 0 });
    expect(halted["left"]).toBeGreaterThan(0);
    const endEarlier = (ms: number) =>
      db
        .prepare("UPDATE ended_tenants SET ended_at = ended_at - ?2 WHERE tenant = ?1")
        .bind(`user:${user.userId}`, ms)
        .run();
    await endEarlier(86_400_000);
    expect(await runTask("cancel-unsent", {}, stopped.signal)).toMatchObject({ late: 1 });
    await endEarlier(-86_400_000);
    expect(await sweep()).toMatchObject({ cancelled: 1_200 });
    expect(
      await db
        .prepare(
          `SELECT COUNT(*) AS n FROM emails WHERE tenant = 'user:' || ?1
             AND status IN ('scheduled', 'queued')`,
        )
        .bind(user.userId)
        .first("n"),
    ).toBe(0);
    expect((await endOf(user))?.sweptAt).toBeNull();
    await db.prepare("UPDATE ended_tenants SET ended_at = 0").run();
    await sweep();
    expect((await endOf(user))?.sweptAt).not.toBeNull();
  });
});

describe("revoking a key", () => {
  it("cancels what was accepted before and has not left, if that is asked for", async () => {
    const user = await sender();
    const id = await send(user, { sendAt: later() });
    const path = `/api/users/${user.userId}/api-key`;
    expect((await call("DELETE", `${path}?cancelUnsent=true`)).status).toBe(204);
    const { body } = await call("POST", path);
    const later2 = await send({ ...user, token: body.apiKey }, { sendAt: later() });
    expect(await sweep()).toMatchObject({ cancelled: 1 });
    expect([await statusOf(id), await statusOf(later2)]).toEqual(["cancelled", "scheduled"]);
  });

  it("cancels nothing otherwise", async () => {
    const user = await sender();
    const id = await send(user, { sendAt: later() });
    const path = `/api/users/${user.userId}/api-key`;
    expect((await call("DELETE", path)).status).toBe(204);
    expect((await call("DELETE", `${path}?cancelUnsent=false`)).status).toBe(204);
    expect(await endOf(user)).toBeNull();
    await sweep();
    expect(await statusOf(id)).toBe("scheduled");
    expect((await call("DELETE", `${path}?cancelUnsent=1`)).status).toBe(422);
  });
});

it("a key that was revoked before takes no emails along unless D1 has written it", async () => {
  const user = await sender();
  const path = `/api/users/${user.userId}/api-key`;
  expect((await call("DELETE", path)).status).toBe(204);
  const refusing = {
    prepare: db.prepare.bind(db),
    batch: () => Promise.reject(new Error("D1_ERROR: Network connection lost.")),
  } as unknown as D1Database;
  const answer = await callWith({ DB: refusing })("DELETE", `${path}?cancelUnsent=true`);
  expect(await endOf(user)).toBeNull();
  expect(answer.status).toBe(503);
  const lossy = callWith({ DB: losingReplies(db) });
  expect((await lossy("DELETE", `${path}?cancelUnsent=true`)).status).toBe(204);
  expect(await endOf(user)).not.toBeNull();
});

describe("the list of emails", () => {
  const ids = async (query: string, as?: TestUser) =>
    (await call("GET", `/api/emails?${query}`, undefined, as)).body.items?.map(
      (item: { id: string }) => item.id,
    );

  it("is filtered by tenant and by what has not left", async () => {
    const [user, other] = [await sender(), await sender()];
    const [queued, scheduled] = [await send(user), await send(user, { sendAt: later() })];
    await send(other, { sendAt: later() });
    const tenant = `tenant=user:${user.userId}`;
    expect(await ids(tenant)).toEqual([scheduled, queued]);
    expect(await ids(`${tenant}&status=scheduled`)).toEqual([scheduled]);
    expect(await ids(`${tenant}&status=queued`)).toEqual([queued]);
    expect(await ids(`${tenant}&to=eve@example.com`)).toEqual([scheduled, queued]);
    expect(await ids("status=scheduled", user)).toEqual([scheduled]);
    expect(await ids(tenant, user)).toEqual([scheduled, queued]);
    expect((await call("GET", `/api/emails?${tenant}`, undefined, other)).status).toBe(403);
  });

  it("names what cannot be filtered together", async () => {
    for (const [query, path] of [
      ["status=queued", "tenant"],
      ["tenant=admin&status=scheduled&to=eve@example.com", "to"],
    ] as const)
      expect(await call("GET", `/api/emails?${query}`)).toMatchObject({
        status: 422,
        body: { errors: [{ path }] },
      });
  });
});

it("the export has what the operator sent to the user, and nothing that other users sent", async () => {
  const [user, other] = [await signUpAs("free"), await sender()];
  await send(other, { to: user.email, subject: "From another user" });
  for (const subject of ["Sent", "Not sent"])
    await call("POST", "/api/emails", { to: user.email.toUpperCase(), subject, text: "Hi" });
  await db.prepare("UPDATE emails SET status = 'delivered' WHERE subject = 'Sent'").run();
  const { body } = await call("GET", `/api/users/${user.userId}/export`, undefined, user);
  expect(body.emailsReceived).toEqual([
    {
      id: expect.any(String),
      subject: "Sent",
      status: "delivered",
      createdAt: expect.any(String),
    },
  ]);
});

it("a user does not see why an address is suppressed; the admin does", async () => {
  const user = await sender();
  const email = { to: "gone@example.com", subject: "Hi", text: "Hi" };
  await call("POST", "/api/admin/email/suppressions", { address: email.to });
  expect(await call("POST", "/api/emails", email, user)).toMatchObject({
    status: 422,
    body: { detail: "The recipient gets no such email." },
  });
  const { body } = await call("POST", "/api/emails/batch", { emails: [email] }, user);
  expect(JSON.stringify(body)).not.toContain("operator suppressed");
  expect((await call("POST", "/api/emails", email)).body.detail).toContain("operator suppressed");
});
