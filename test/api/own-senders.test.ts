import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { DAY_MS } from "../../shared/lib/base/clock.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { call, callWith, rowsInAll, signUpAs, type TestUser } from "./support.ts";

/** A tenant sends as what it has proven to own: an address by a link, a domain by its DNS. */

const db = env.DB;
const own = "/api/senders";
const email = { to: "ada@example.com", subject: "Hello", text: "Hi" };

/** TXT records by name, and how the resolver fails. */
let records: Record<string, string[]> = {};
let resolver: "up" | "down" | "servfail" = "up";
let asked: string[] = [];
let meanwhile = async (): Promise<unknown> => undefined;

beforeEach(async () => {
  [records, resolver, asked] = [{}, "up", []];
  meanwhile = async () => undefined;
  await db.batch(["senders", "sender_links"].map((table) => db.prepare(`DELETE FROM ${table}`)));
  for (const level of ["warn", "error"] as const) vi.spyOn(console, level).mockReturnValue();
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
    const url = new URL(input instanceof Request ? input.url : input);
    asked.push(url.href);
    await meanwhile();
    if (resolver === "down") throw new TypeError("Network connection lost.");
    const found = records[url.searchParams.get("name") ?? ""];
    const Answer = found?.map((text) => ({ type: 16, TTL: 60, data: `"${text}"` }));
    const Status = resolver === "servfail" ? 2 : found === undefined ? 3 : 0;
    return Response.json({ Status, Answer });
  });
  return () => void vi.restoreAllMocks();
});

async function mailer(): Promise<TestUser> {
  const user = await signUpAs("pro");
  await call("PATCH", `/api/users/${user.userId}`, { scopes: ["emails:send"] });
  return user;
}
const request = (user: TestUser, body: object, api = call) => api("POST", own, body, user);
const verify = (user: TestUser, id: string, api = call) =>
  api("POST", `${own}/${id}/verify`, undefined, user);
const send = (user: TestUser, from: string) =>
  call("POST", "/api/emails", { ...email, from }, user);
const mayLookAgain = () => db.prepare("UPDATE senders SET checked_at = checked_at - 10000").run();

type Sent = { subject: string; text: string; tenant: string };
const sentTo = async (address: string): Promise<Sent[]> =>
  (
    await db
      .prepare(
        `SELECT e.subject, c.text, e.tenant FROM emails e JOIN email_contents c
           ON c.email_id = e.id WHERE e.to_address = ?1 ORDER BY c.rowid`,
      )
      .bind(address)
      .all<Sent>()
  ).results;
async function linkTo(address: string): Promise<string> {
  const text = (await sentTo(address)).at(-1)?.text ?? "";
  const [, path = ""] = /http:\/\/luna\.test(\/verify-sender\/[\w-]+)/.exec(text) ?? [];
  expect(path).not.toBe("");
  return path;
}
const open = (method: "GET" | "POST", path: string, api = call) =>
  api(method, path, undefined, { token: null, text: true });

let addresses = 0;
const newAddress = (): string => `sender-${(addresses += 1)}@acme.example`;

describe("an address of a tenant", () => {
  it("is pending until its link is confirmed, which opening it does not do", async () => {
    const [user, address] = [await mailer(), newAddress()];
    const made = await request(user, { address, name: "Acme" });
    expect(made).toMatchObject({
      status: 201,
      body: { address, tenant: `user:${user.userId}`, status: "pending", name: "Acme" },
    });
    expect((await send(user, address)).body.errors).toEqual([
      { path: "from", message: "is a sender that is not verified yet" },
    ]);
    expect(await sentTo(address)).toMatchObject([
      { tenant: "system", subject: `Confirm ${address} as a sender` },
    ]);
    const path = await linkTo(address);
    for (let n = 0; n < 2; n += 1) {
      const page = await open("GET", path);
      expect(page.status).toBe(200);
      expect(page.text).toContain(user.userId);
      expect(page.text).toContain(address);
    }
    expect((await send(user, address)).status).toBe(422);
    for (let n = 0; n < 2; n += 1) expect((await open("POST", path)).status).toBe(200);
    expect((await call("GET", `${own}/${made.body.id}`, undefined, user)).body).toMatchObject({
      status: "verified",
      verified: { by: "link" },
    });
    expect((await send(user, address)).status).toBe(202);
    expect((await send(await mailer(), address)).status).toBe(422);
  });

  it("has a token that is stored as a hash, for 24 hours, and replaced by the next link", async () => {
    const [user, address] = [await mailer(), newAddress()];
    const { id } = (await request(user, { address })).body;
    const first = await linkTo(address);
    const row = await db.prepare("SELECT * FROM senders WHERE id = ?1").bind(id).first();
    expect(JSON.stringify(row)).not.toContain(first.split("/").at(-1));
    expect((await verify(user, id)).body).toMatchObject({ status: "pending" });
    const second = await linkTo(address);
    for (const method of ["GET", "POST"] as const)
      expect((await open(method, first)).status).toBe(404);
    await db
      .prepare("UPDATE senders SET link_expires_at = ?1")
      .bind(Date.now() - 1)
      .run();
    for (const method of ["GET", "POST"] as const)
      expect((await open(method, second)).status).toBe(404);
    await verify(user, id);
    expect((await open("POST", await linkTo(address))).status).toBe(200);
    expect((await verify(user, id)).body).toMatchObject({ status: "verified" });
    expect(await sentTo(address)).toHaveLength(3);
  });

  it("in a domain that another tenant has verified is refused, also by an earlier link", async () => {
    const [user, owner] = [await mailer(), await mailer()];
    const [early, late, again] = ["early", "late", "again"].map((name) => `${name}@held.example`);
    const made = await request(user, { address: early });
    const path = await linkTo(early ?? "");
    const repeated = await request(user, { address: again });
    const domain = (await request(owner, { domain: "held.example" })).body;
    await db
      .prepare("UPDATE senders SET verified_at = 1, verified_by = 'dns' WHERE id = ?1")
      .bind(domain.id)
      .run();
    const before = await rowsInAll();
    expect(await request(user, { address: late })).toMatchObject({ status: 409 });
    expect((await verify(user, repeated.body.id)).status).toBe(409);
    for (const method of ["GET", "POST"] as const)
      expect((await open(method, path)).status).toBe(404);
    expect(await rowsInAll()).toEqual(before);
    expect((await call("GET", `${own}/${made.body.id}`, undefined, user)).body).toMatchObject({
      status: "pending",
    });
    expect((await request(owner, { address: late })).status).toBe(201);
  });

  it("gets no link beyond 20 of its tenant in 24 hours, also not by deleting senders", async () => {
    const user = await mailer();
    for (let n = 0; n < 20; n += 1) {
      const { body } = await request(user, { address: newAddress() });
      await call("DELETE", `${own}/${body.id}`, undefined, user);
    }
    const [address, before] = [newAddress(), await rowsInAll()];
    expect(await request(user, { address })).toMatchObject({ status: 409 });
    expect(await rowsInAll()).toEqual(before);
    await db.prepare("UPDATE sender_links SET counted_from = counted_from - ?1").bind(DAY_MS).run();
    const { id } = (await request(user, { address })).body;
    await db.prepare("UPDATE sender_links SET links = 20").run();
    expect((await verify(user, id)).status).toBe(409);
    expect(await sentTo(address)).toHaveLength(1);
  });

  it("is not confirmed by a link whose sender is deleted, also with its account", async () => {
    const [user, one, two] = [await mailer(), newAddress(), newAddress()];
    const { id } = (await request(user, { address: one })).body;
    await request(user, { address: two });
    expect((await call("DELETE", `${own}/${id}`, undefined, user)).status).toBe(204);
    expect((await open("POST", await linkTo(one))).status).toBe(404);
    await call("DELETE", `/api/users/${user.userId}`);
    expect((await open("POST", await linkTo(two))).status).toBe(404);
  });

  it("is not confirmed while its account is suspended, and is once the suspension ends", async () => {
    const [user, address] = [await mailer(), newAddress()];
    const { id } = (await request(user, { address })).body;
    const path = await linkTo(address);
    const account = `/api/users/${user.userId}`;
    const status = async () => (await call("GET", `/api/admin/email/senders/${id}`)).body.status;
    await call("POST", `${account}/suspend`, { reason: "abuse" });
    for (const method of ["GET", "POST"] as const)
      expect(await open(method, path), method).toMatchObject({
        status: 403,
        text: expect.stringContaining("urn:luna:problem:account-suspended"),
      });
    await call("POST", `${account}/resume`);
    const suspending = {
      prepare: (sql: string) => db.prepare(sql),
      batch: async (statements: D1PreparedStatement[]) => {
        await call("POST", `${account}/suspend`, { reason: "abuse" });
        return await db.batch(statements);
      },
    } as unknown as D1Database;
    expect((await open("POST", path, callWith({ DB: suspending }))).status).toBe(403);
    expect(await status()).toBe("pending");
    await call("POST", `${account}/resume`);
    expect((await open("POST", path)).status).toBe(200);
    expect(await status()).toBe("verified");
  });

  it("gets one link and one sender although replies of D1 are lost", async () => {
    const [user, address] = [await mailer(), newAddress()];
    const made = await request(user, { address }, callWith({ DB: losingReplies(db) }));
    expect(made.status).toBe(201);
    const confirmed = callWith({ DB: losingReplies(db) });
    expect((await open("POST", await linkTo(address), confirmed)).status).toBe(200);
    expect(await sentTo(address)).toHaveLength(1);
    expect((await send(user, address)).status).toBe(202);
  });
});

describe("a domain of a tenant", () => {
  it("is verified once its DNS has the record, and then sends as any address in it", async () => {
    const user = await mailer();
    const { body } = await request(user, { domain: "Acme.example" });
    const { name, value } = body.record;
    expect(body).toMatchObject({ domain: "acme.example", status: "pending" });
    expect(name).toBe("_sender-verification.acme.example");
    expect((await send(user, "a@acme.example")).status).toBe(422);
    records[name] = ["something else"];
    const missing = await verify(user, body.id);
    expect(missing.status).toBe(409);
    expect(missing.body.detail).toContain(`${name} with ${value}`);
    await mayLookAgain();
    records[name] = ["something else", value];
    expect((await verify(user, body.id)).body).toMatchObject({
      status: "verified",
      verified: { by: "dns" },
    });
    expect((await send(user, "a@acme.example")).status).toBe(202);
    expect((await verify(user, body.id)).body).toMatchObject({ status: "verified" });
    expect(asked).toHaveLength(2);
    expect(asked[0]).toBe(`https://cloudflare-dns.com/dns-query?name=${name}&type=TXT`);
  });

  it("is looked up at most every 10 s", async () => {
    const user = await mailer();
    const { id } = (await request(user, { domain: "acme.example" })).body;
    expect((await verify(user, id)).status).toBe(409);
    const again = await verify(user, id);
    expect(again.status).toBe(429);
    expect(Number(again.headers.get("Retry-After"))).toBeGreaterThan(0);
    expect(asked).toHaveLength(1);
  });

  it.each(["down", "servfail"] as const)(
    "stays pending without a claim about its DNS while the resolver is %s",
    async (state) => {
      const user = await mailer();
      const { id, record } = (await request(user, { domain: "acme.example" })).body;
      records[record.name] = [record.value];
      resolver = state;
      expect(await verify(user, id)).toMatchObject({
        status: 503,
        body: { type: "urn:luna:problem:unavailable" },
      });
      expect((await call("GET", `${own}/${id}`, undefined, user)).body.status).toBe("pending");
    },
  );

  it("is refused if another tenant has verified it, however both race", async () => {
    const [first, second] = [await mailer(), await mailer()];
    const domain = "acme.example";
    const [one, two] = [await request(first, { domain }), await request(second, { domain })];
    expect(one.body.record.value).not.toBe(two.body.record.value);
    records[one.body.record.name] = [one.body.record.value, two.body.record.value];
    // Another look-up for the same domain ends while the resolver is asked.
    meanwhile = async () => {
      meanwhile = async () => undefined;
      expect((await verify(first, one.body.id)).status).toBe(200);
    };
    expect(await verify(second, two.body.id)).toMatchObject({
      status: 409,
      body: { errors: [{ path: "domain" }] },
    });
    expect((await send(second, "a@acme.example")).status).toBe(422);
    const third = await mailer();
    const before = await rowsInAll();
    expect(await request(third, { domain })).toMatchObject({
      status: 409,
      body: { errors: [{ path: "domain" }] },
    });
    expect(await rowsInAll()).toEqual(before);
  });

  it("is not verified by the record of another tenant", async () => {
    const [first, second] = [await mailer(), await mailer()];
    const domain = "acme.example";
    const [one, two] = [await request(first, { domain }), await request(second, { domain })];
    records[one.body.record.name] = [one.body.record.value];
    expect((await verify(second, two.body.id)).status).toBe(409);
  });

  it("that is pending is trusted once the operator makes it", async () => {
    const user = await mailer();
    const { id } = (await request(user, { domain: "acme.example" })).body;
    const made = await call("POST", "/api/admin/email/senders", {
      domain: "acme.example",
      tenant: `user:${user.userId}`,
      name: "Acme",
    });
    expect(made).toMatchObject({ status: 201, body: { id, verified: { by: "operator" } } });
    expect((await send(user, "a@acme.example")).status).toBe(202);
  });
});

describe("senders of a tenant", () => {
  it("are its own alone, also for the admin, whose key has a tenant of its own", async () => {
    const [user, other] = [await mailer(), await mailer()];
    const { id } = (await request(user, { domain: "acme.example" })).body;
    await call("POST", "/api/admin/email/senders", { domain: "shared.example" });
    const listed = await call("GET", own, undefined, user);
    expect(listed.body.items.map((one: { id: string }) => one.id)).toEqual([id]);
    expect((await call("GET", own, undefined, other)).body.items).toEqual([]);
    for (const token of [other.token, undefined])
      for (const [method, suffix] of [
        ["GET", ""],
        ["DELETE", ""],
        ["POST", "/verify"],
      ] as const)
        expect(
          (await call(method, `${own}/${id}${suffix}`, undefined, token ? { token } : {})).status,
        ).toBe(404);
  });

  it("are at most 20, each identity once", async () => {
    const user = await mailer();
    for (let n = 0; n < 20; n += 1)
      expect((await request(user, { domain: `d${n}.example` })).status).toBe(201);
    const before = await rowsInAll();
    expect((await request(user, { domain: "one-more.example" })).body.detail).toContain("20");
    expect(await request(user, { domain: "D1.example" })).toMatchObject({
      status: 409,
      body: { errors: [{ path: "domain" }] },
    });
    expect(await rowsInAll()).toEqual(before);
  });

  it("need the scope emails:send, since a link goes to an address of the caller's choice", async () => {
    const user = await signUpAs("pro");
    const before = await rowsInAll();
    expect((await request(user, { address: "a@b.cc" })).status).toBe(403);
    expect(await rowsInAll()).toEqual(before);
  });

  it.each([{ transport: "smtp" }, { tenant: "admin" }, { verified: true }])(
    "may not decide %j themselves",
    async (more) => {
      const user = await mailer();
      const refused = await request(user, { domain: "acme.example", ...more });
      expect(refused.body.errors).toMatchObject([{ path: Object.keys(more)[0] }]);
    },
  );

  it("are in the audit log: who asked, who confirmed and who deleted", async () => {
    const [user, address] = [await mailer(), newAddress()];
    const { id } = (await request(user, { address })).body;
    await open("POST", await linkTo(address));
    await call("DELETE", `${own}/${id}`, undefined, user);
    const query = `/api/admin/audit?actor=${encodeURIComponent(`user:${user.userId}`)}`;
    await vi.waitFor(async () => {
      const { items } = (await call("GET", query)).body;
      expect(items.map(({ operation }: { operation: string }) => operation).toSorted()).toEqual([
        "confirmSender",
        "deleteOwnSender",
        "requestSender",
      ]);
      expect(JSON.stringify(items)).not.toContain(address);
    });
  });
});
