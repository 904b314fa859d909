import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { DAY_MS } from "../../shared/lib/base/clock.ts";
import { eventually } from "../support/eventually.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { runTask } from "../support/run-task.ts";
import { call, callWith, signUpAs, type TestUser } from "./support.ts";

/** An address changes once its owner has confirmed it, and no answer shows who is registered. */

const db = env.DB;
let next = 0;
const newAddress = (): string => `changed-${(next += 1)}@example.com`;

type Sent = { subject: string; text: string; tenant: string };
async function sentTo(address: string): Promise<Sent[]> {
  const { results } = await db
    .prepare(
      `SELECT e.subject, c.text, e.tenant FROM emails e JOIN email_contents c ON c.email_id = e.id
       WHERE e.to_address = ?1 ORDER BY c.rowid`,
    )
    .bind(address)
    .all<Sent>();
  return results;
}
const subjectsTo = async (address: string) =>
  (await sentTo(address)).map(({ subject }) => subjectOf(subject, address));
const subjectOf = (subject: string, address: string): string =>
  subject.replace(address, "<address>").replace(/\b(free|pro)-\d+/, "<id>");
async function linkTo(address: string): Promise<string> {
  const text = (await sentTo(address)).at(-1)?.text ?? "";
  const [, path = ""] = /http:\/\/luna\.test(\/confirm-address\/[\w-]+)/.exec(text) ?? [];
  expect(path).not.toBe("");
  return path;
}
const request = (user: TestUser, email: string, api = call) =>
  api("PATCH", `/api/users/${user.userId}`, { email }, user);
const open = (method: "GET" | "POST", path: string, api = call) =>
  api(method, path, undefined, { token: null, text: true });
const addressOf = async (user: TestUser) =>
  (await call("GET", "/api/me", undefined, user)).body.user.email;
const expired = (userId: string) =>
  db
    .prepare("UPDATE address_changes SET expires_at = ?2 WHERE user_id = ?1")
    .bind(userId, Date.now() - 1)
    .run();
const CONFIRM = "Confirm the new address of your account <id>";
const REQUESTED = "A new address was requested for your account <id>";
const CHANGED = "The address of your account <id> was changed";
const IN_USE = "You have an account with the address <address>";

describe("a user who asks for another address", () => {
  it("keeps the old one until the link to the new one is confirmed; the old one is notified", async () => {
    const user = await signUpAs("free");
    const email = newAddress();
    expect(await request(user, email.toUpperCase())).toMatchObject({
      status: 200,
      body: {
        user: { email: user.email },
        addressChange: { email, expiresAt: expect.any(String) },
      },
    });
    expect(await addressOf(user)).toBe(user.email);
    expect(await subjectsTo(user.email)).toEqual([expect.stringContaining("Welcome"), REQUESTED]);
    const path = await linkTo(email);
    expect((await open("POST", path)).status).toBe(200);
    expect(await addressOf(user)).toBe(email);
    expect((await call("GET", `/api/users?email=${user.email}`)).status).toBe(404);
    expect((await call("GET", `/api/users?email=${email}`)).status).toBe(200);
    expect((await subjectsTo(user.email)).at(-1)).toBe(CHANGED);
    expect(await subjectsTo(email)).toEqual([CONFIRM]);
    expect((await sentTo(email))[0]).toMatchObject({ tenant: "system" });
    await eventually(async () =>
      expect(await db.prepare("SELECT COUNT(*) AS n FROM purge_intents").first("n")).toBe(0),
    );
  });

  it("is not changed by a scanner that opens the link, and a second POST is harmless", async () => {
    const user = await signUpAs("free");
    const email = newAddress();
    await request(user, email);
    const path = await linkTo(email);
    for (let n = 0; n < 2; n += 1) expect((await open("GET", path)).status).toBe(200);
    expect(await addressOf(user)).toBe(user.email);
    for (let n = 0; n < 3; n += 1) expect((await open("POST", path)).status).toBe(200);
    expect(await addressOf(user)).toBe(email);
    expect((await subjectsTo(user.email)).filter((subject) => subject === CHANGED)).toHaveLength(1);
    await request(user, user.email);
    await open("POST", await linkTo(user.email));
    expect(await addressOf(user)).toBe(user.email);
    expect((await open("POST", path)).status).toBe(404);
    expect(await addressOf(user)).toBe(user.email);
  });

  it("has a token that is stored as a hash, for 24 hours, and replaced by the next request", async () => {
    const user = await signUpAs("free");
    const [first, second] = [newAddress(), newAddress()];
    await request(user, first);
    const path = await linkTo(first);
    const row = await db
      .prepare("SELECT * FROM address_changes WHERE user_id = ?1")
      .bind(user.userId)
      .first();
    expect(JSON.stringify(row)).not.toContain(path.split("/").at(-1));
    await request(user, second);
    for (const method of ["GET", "POST"] as const)
      expect((await open(method, path)).status).toBe(404);
    const later = await linkTo(second);
    await expired(user.userId);
    for (const method of ["GET", "POST"] as const)
      expect((await open(method, later)).status).toBe(404);
    expect(await addressOf(user)).toBe(user.email);
    expect(await runTask("expire-confirmations", {})).toMatchObject({ addressChanges: 1 });
  });

  it("withdraws the request by asking for the address that counts", async () => {
    const user = await signUpAs("free");
    const email = newAddress();
    await request(user, email);
    const path = await linkTo(email);
    expect((await request(user, user.email)).body).toEqual({
      user: expect.objectContaining({ email: user.email }),
    });
    expect((await open("POST", path)).status).toBe(404);
  });

  it("confirms nothing while suspended, and does once the suspension ends", async () => {
    const user = await signUpAs("free");
    const email = newAddress();
    await request(user, email);
    const path = await linkTo(email);
    await call("POST", `/api/users/${user.userId}/suspend`, { reason: "abuse" });
    for (const method of ["GET", "POST"] as const)
      expect(await open(method, path), method).toMatchObject({
        status: 403,
        text: expect.stringContaining("urn:luna:problem:account-suspended"),
      });
    expect(await subjectsTo(user.email)).not.toContain(CHANGED);
    expect((await call("GET", `/api/users?email=${email}`)).status).toBe(404);
    await call("POST", `/api/users/${user.userId}/resume`);
    expect((await open("POST", path)).status).toBe(200);
    expect(await addressOf(user)).toBe(email);
  });

  it("confirms nothing if the suspension comes between the look and the write", async () => {
    const user = await signUpAs("free");
    const email = newAddress();
    await request(user, email);
    const path = await linkTo(email);
    const suspending = {
      prepare: (sql: string) => db.prepare(sql),
      batch: async (statements: D1PreparedStatement[]) => {
        await call("POST", `/api/users/${user.userId}/suspend`, { reason: "abuse" });
        return await db.batch(statements);
      },
    } as unknown as D1Database;
    expect((await open("POST", path, callWith({ DB: suspending }))).status).toBe(403);
    expect(await subjectsTo(user.email)).not.toContain(CHANGED);
    expect((await call("GET", `/api/users?email=${email}`)).status).toBe(404);
    await call("POST", `/api/users/${user.userId}/resume`);
    expect((await open("POST", path)).status).toBe(200);
    expect(await addressOf(user)).toBe(email);
  });

  it.each([
    ["the key is rotated", (u: TestUser) => call("POST", `/api/users/${u.userId}/api-key`)],
    ["the key is revoked", (u: TestUser) => call("DELETE", `/api/users/${u.userId}/api-key`)],
    ["the account is deleted", (u: TestUser) => call("DELETE", `/api/users/${u.userId}`)],
    [
      "the admin sets an address",
      (u: TestUser) => call("PATCH", `/api/users/${u.userId}`, { email: newAddress() }),
    ],
  ])("has no valid link any more once %s", async (_, act) => {
    const user = await signUpAs("free");
    const email = newAddress();
    await request(user, email);
    const path = await linkTo(email);
    expect((await act(user)).status).toBeLessThan(300);
    expect((await open("POST", path)).status).toBe(404);
    expect((await call("GET", `/api/users?email=${email}`)).status).toBe(404);
  });

  it("asks at most five times within 24 hours, also concurrently, so that it is no weapon", async () => {
    const user = await signUpAs("free");
    const addresses = Array.from({ length: 9 }, newAddress);
    const answers = await Promise.all(addresses.map((email) => request(user, email)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
    expect(answers.find(({ status }) => status === 409)?.body.detail).toContain("5 times");
    const sent = await Promise.all(addresses.map(subjectsTo));
    expect(sent.flat()).toHaveLength(5);
    await request(user, user.email);
    expect((await request(user, newAddress())).status).toBe(409);
    await db
      .prepare("UPDATE address_changes SET counted_from = counted_from - ?2 WHERE user_id = ?1")
      .bind(user.userId, DAY_MS)
      .run();
    expect((await request(user, newAddress())).status).toBe(200);
  });

  it("gets a definite answer after a lost reply of D1", async () => {
    const user = await signUpAs("free");
    const email = newAddress();
    const lossy = () => callWith({ DB: losingReplies(db) });
    expect((await request(user, email, lossy())).status).toBe(200);
    expect((await open("POST", await linkTo(email), lossy())).status).toBe(200);
    expect(await addressOf(user)).toBe(email);
  });
});

describe("an address that another user has", () => {
  it("is answered like a free one, and its owner is notified once per day at most", async () => {
    const [user, other, owner] = [
      await signUpAs("free"),
      await signUpAs("free"),
      await signUpAs("free"),
    ];
    const shape = ({ status, body }: Awaited<ReturnType<typeof request>>) => ({
      status,
      body: JSON.stringify(body)
        .replaceAll(/"(email|expiresAt|updatedAt)":"[^"]+"/g, '"$1":""')
        .replaceAll(user.userId, ""),
    });
    const free = shape(await request(user, newAddress()));
    expect(free.status).toBe(200);
    for (const from of [user, other])
      expect((await request(from, owner.email)).status).toBe(free.status);
    expect(shape(await request(user, owner.email))).toEqual(free);
    expect((await subjectsTo(owner.email)).slice(1)).toEqual([IN_USE]);
    expect((await sentTo(owner.email)).at(-1)?.text).not.toContain("/confirm-address/");
    await db
      .prepare("UPDATE users SET in_use_notified_at = in_use_notified_at - ?2 WHERE user_id = ?1")
      .bind(owner.userId, DAY_MS)
      .run();
    await request(other, owner.email);
    expect((await subjectsTo(owner.email)).slice(1)).toEqual([IN_USE, IN_USE]);
  });

  it("that was taken after the request is not taken away by its confirmation", async () => {
    const user = await signUpAs("free");
    const email = newAddress();
    await request(user, email);
    const path = await linkTo(email);
    await signUpAs("free", { userId: `taker-${next}`, email });
    expect((await open("POST", path)).status).toBe(409);
    expect(await addressOf(user)).toBe(user.email);
    expect(await subjectsTo(user.email)).not.toContain(CHANGED);
  });
});

describe("the admin, who is trusted", () => {
  it("changes an address at once, and the old one is notified", async () => {
    const [user, other] = [await signUpAs("free"), await signUpAs("free")];
    const email = newAddress();
    expect(await call("PATCH", `/api/users/${user.userId}`, { email })).toMatchObject({
      status: 200,
      body: { user: { email } },
    });
    expect((await subjectsTo(user.email)).at(-1)).toBe(CHANGED);
    expect(await call("PATCH", `/api/users/${user.userId}`, { email: other.email })).toMatchObject({
      status: 409,
    });
    const before = await subjectsTo(email);
    await call("PATCH", `/api/users/${user.userId}`, { email, tier: "pro" });
    expect(await subjectsTo(email)).toEqual(before);
  });
});

describe("the address of the account is notified in the batch of the write", () => {
  it.each([
    ["POST", "/api-key", "The API key of your account <id> was replaced"],
    ["DELETE", "/api-key", "The API key of your account <id> was revoked"],
    ["DELETE", "", "Your account <id> was deleted"],
  ] as const)("for %s /api/users/:userId%s", async (method, suffix, subject) => {
    const user = await signUpAs("free");
    expect((await call(method, `/api/users/${user.userId}${suffix}`)).status).toBeLessThan(300);
    expect((await sentTo(user.email)).at(-1)).toMatchObject({ tenant: "system" });
    expect((await subjectsTo(user.email)).at(-1)).toBe(subject);

    const refused = await signUpAs("free");
    await db
      .prepare(
        `CREATE TRIGGER refuse BEFORE INSERT ON emails
         BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`,
      )
      .run();
    const answer = await call(method, `/api/users/${refused.userId}${suffix}`);
    await db.prepare("DROP TRIGGER refuse").run();
    expect(answer.status).toBe(503);
    expect(await addressOf(refused)).toBe(refused.email);
  });

  it("once, although an operator revokes a key that is revoked already", async () => {
    const user = await signUpAs("free");
    for (const _ of [1, 2])
      expect((await call("DELETE", `/api/users/${user.userId}/api-key`)).status).toBe(204);
    const subject = "The API key of your account <id> was revoked";
    expect((await subjectsTo(user.email)).filter((one) => one === subject)).toHaveLength(1);
  });

  it("and not for a user that is not there, or a write that is refused", async () => {
    const count = () => db.prepare("SELECT COUNT(*) AS n FROM emails").first("n");
    const [owner, member] = [await signUpAs("pro"), await signUpAs("free")];
    const { team } = (await call("POST", "/api/teams", { name: "Core" }, owner)).body;
    await call("POST", `/api/teams/${team.teamId}/members`, { userId: member.userId });
    const before = await count();
    for (const [method, path, status] of [
      ["POST", "/api/users/never-was/api-key", 404],
      ["DELETE", "/api/users/never-was/api-key", 404],
      ["DELETE", "/api/users/never-was", 404],
      ["DELETE", `/api/users/${owner.userId}`, 409],
    ] as const)
      expect((await call(method, path)).status).toBe(status);
    expect(await count()).toBe(before);
  });
});
