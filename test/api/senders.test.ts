import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { fakeQueue } from "../support/emails.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { withOthers } from "../support/meanwhile.ts";
import { call, callWith, rowsInAll, signUpAs, type TestUser } from "./support.ts";

/** An email comes from EMAIL_FROM, from a shared sender, or from one of its own tenant. */

const path = "/api/admin/email/senders";
const email = { to: "ada@example.com", subject: "Hello", text: "Hi" };
const db = env.DB;

beforeEach(async () => {
  await db.prepare("DELETE FROM senders").run();
  return () => void vi.restoreAllMocks();
});

const create = async (body: object): Promise<string> => {
  const created = await call("POST", path, body);
  expect(created.status).toBe(201);
  return created.body.id as string;
};

async function mailer(): Promise<TestUser> {
  const user = await signUpAs("pro");
  await call("PATCH", `/api/users/${user.userId}`, { scopes: ["emails:send"] });
  return user;
}
const tenantOf = ({ userId }: TestUser): string => `user:${userId}`;

const send = (from: unknown, user: TestUser | null = null, headers = {}) =>
  call("POST", "/api/emails", { ...email, from }, { ...user, headers });

const shown = async (id: string) => {
  const { from, senderId } = (await call("GET", `/api/emails/${id}`)).body;
  return { from, senderId };
};

const refusal = (message: string) => ({
  status: 422,
  body: { type: "urn:luna:problem:invalid", errors: [{ path: "from", message }] },
});
const ABSENT = refusal("must be EMAIL_FROM, a shared sender or a verified sender of your own");

describe("the from of an email", () => {
  it("may be EMAIL_FROM with a name of its own, for any tenant and without a sender", async () => {
    const user = await mailer();
    for (const [from, expected] of [
      ["hello@LUNA.example", "Luna <hello@luna.example>"],
      ["Acme <hello@luna.example>", "Acme <hello@luna.example>"],
      [undefined, "Luna <hello@luna.example>"],
    ]) {
      const { status, body } = await send(from, user);
      expect(status).toBe(202);
      expect(await shown(body.id)).toEqual({ from: expected, senderId: undefined });
    }
  });

  it("may be a shared sender for any tenant, and has its name where the email gives none", async () => {
    const senderId = await create({ address: "news@Acme.example", name: "Acme, Inc." });
    const user = await mailer();
    const plain = await send("news@acme.EXAMPLE", user);
    expect(await shown(plain.body.id)).toEqual({
      from: "Acme, Inc. <news@acme.example>",
      senderId,
    });
    const own = await send('"Acme News" <news@acme.example>');
    expect(await shown(own.body.id)).toEqual({ from: "Acme News <news@acme.example>", senderId });
  });

  it("may be any address in the domain of a domain sender, and in no domain below or above", async () => {
    const senderId = await create({ domain: "Bücher.example" });
    const { body } = await send("Büro <any.one@bücher.example>");
    const from = "Büro <any.one@xn--bcher-kva.example>";
    expect(await shown(body.id)).toEqual({ from, senderId });
    for (const other of ["a@mail.xn--bcher-kva.example", "a@example", "a@xbücher.example"])
      expect((await send(other)).status).toBe(422);
  });

  it("may be a sender of its own tenant, and of no other: nothing is written then", async () => {
    const [user, other] = [await mailer(), await mailer()];
    await create({ address: "a@acme.example", tenant: tenantOf(user) });
    await create({ domain: "brand.example", tenant: tenantOf(user) });
    for (const from of ["a@acme.example", "b@brand.example"]) {
      expect((await send(from, user)).status).toBe(202);
      const before = await rowsInAll();
      expect(await send(from, other, { "Idempotency-Key": "k" })).toMatchObject(ABSENT);
      expect(await send(from)).toMatchObject(ABSENT);
      expect(await rowsInAll()).toEqual(before);
    }
    expect(await send("A@acme.example", user)).toMatchObject(ABSENT);
  });

  it("takes the sender of the address before that of its domain, and its own before a shared", async () => {
    const user = await mailer();
    const tenant = tenantOf(user);
    const ids = {
      "shared domain": await create({ domain: "acme.example", name: "shared domain" }),
      "own domain": await create({ domain: "acme.example", name: "own domain", tenant }),
      "shared address": await create({ address: "a@acme.example", name: "shared address" }),
      "own address": await create({ address: "a@acme.example", name: "own address", tenant }),
    };
    for (const name of ["own address", "shared address", "own domain", "shared domain"] as const) {
      const { body } = await send("a@acme.example", user);
      const senderId = ids[name];
      expect(await shown(body.id)).toEqual({ from: `${name} <a@acme.example>`, senderId });
      await call("DELETE", `${path}/${senderId}`);
    }
  });

  it("must not be a sender that is not verified yet", async () => {
    const user = await mailer();
    await create({ domain: "acme.example", tenant: tenantOf(user) });
    await db.prepare("UPDATE senders SET verified_at = NULL").run();
    const before = await rowsInAll();
    expect(await send("a@acme.example", user)).toMatchObject(
      refusal("is a sender that is not verified yet"),
    );
    expect(await rowsInAll()).toEqual(before);
  });

  it("is not a sender that is deleted while the email is accepted", async () => {
    const senderId = await create({ address: "a@acme.example" });
    const DB = withOthers(db, () =>
      db.prepare("DELETE FROM senders WHERE id = ?1").bind(senderId).run(),
    );
    const answer = await callWith({ DB })("POST", "/api/emails", {
      ...email,
      from: "a@acme.example",
    });
    expect(answer).toMatchObject(ABSENT);
  });

  it("refuses an email of a batch in its place, and no other", async () => {
    await create({ address: "a@acme.example", name: "Acme" });
    const { body } = await call("POST", "/api/emails/batch", {
      emails: [{ ...email, from: "a@acme.example" }, { ...email, from: "b@acme.example" }, email],
    });
    expect(body).toMatchObject({
      accepted: 2,
      items: [
        { status: "queued" },
        { error: { errors: [{ path: "from" }] } },
        { status: "queued" },
      ],
    });
    expect((await shown(body.items[0].id)).from).toBe("Acme <a@acme.example>");
    expect((await shown(body.items[2].id)).from).toBe("Luna <hello@luna.example>");
  });

  it.each(["nobody", "a@b.cc, d@e.ff", 'A "b" <a@b.cc>', "=?utf-8?q?a?= <a@b.cc>", ["a@b.cc"], 1])(
    "is refused by name as %j",
    async (from) =>
      expect(await send(from)).toMatchObject({ status: 422, body: { errors: [{ path: "from" }] } }),
  );

  it("leaves the key of a refused email free, and a repeat gets the first answer after the deletion", async () => {
    const keyed = { "Idempotency-Key": "from-acme" };
    expect((await send("a@acme.example", null, keyed)).status).toBe(422);
    const id = await create({ address: "a@acme.example" });
    const first = await send("a@acme.example", null, keyed);
    expect(first.status).toBe(202);
    await call("DELETE", `${path}/${id}`);
    const again = await send("a@acme.example", null, keyed);
    expect(again).toMatchObject({ status: 202, body: first.body });
    expect((await send("a@acme.example")).status).toBe(422);
  });

  it("is the same for a reply of D1 that is lost", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    await create({ address: "a@acme.example", name: "Acme" });
    const lossy = callWith({ DB: losingReplies(db), EMAIL_QUEUE: fakeQueue().queue });
    const sent = await lossy("POST", "/api/emails", { ...email, from: "a@acme.example" });
    expect(sent.status).toBe(202);
    expect((await shown(sent.body.id)).from).toBe("Acme <a@acme.example>");
    const refused = await lossy("POST", "/api/emails", { ...email, from: "b@acme.example" });
    expect(refused.status).toBe(422);
  });
});

describe("an operator's sender", () => {
  it("is trusted, listed newest first by pages and tenant, changed and deleted", async () => {
    const user = await mailer();
    const ids = [
      await create({ domain: "one.example" }),
      await create({ address: "a@two.example", tenant: tenantOf(user), transport: "smtp" }),
      await create({ domain: "three.example", tenant: "producer" }),
    ];
    const first = (await call("GET", `${path}?limit=2`)).body;
    expect(first.items.map(({ id }: { id: string }) => id)).toEqual([ids[2], ids[1]]);
    const rest = await call("GET", `${path}?limit=2&cursor=${first.nextCursor}`);
    expect(rest.body.items).toMatchObject([{ id: ids[0], domain: "one.example" }]);
    expect(rest.body.items[0]).not.toHaveProperty("tenant");
    const own = await call("GET", `${path}?tenant=${tenantOf(user)}`);
    expect(own.body.items).toMatchObject([
      { id: ids[1], status: "verified", verified: { by: "operator" }, transport: ["smtp"] },
    ]);
    const at = `${path}/${ids[1]}`;
    expect((await call("PATCH", at, { name: "Two" })).body).toMatchObject({
      name: "Two",
      transport: ["smtp"],
    });
    const { body } = await call("PATCH", at, { name: null, transport: null });
    expect(body).not.toHaveProperty("name");
    expect(body).not.toHaveProperty("transport");
    expect((await call("GET", at)).body).toEqual(body);
    expect((await call("DELETE", at)).status).toBe(204);
    for (const method of ["GET", "DELETE"]) expect((await call(method, at)).status).toBe(404);
  });

  it("is there once for each tenant, also if a reply of D1 is lost", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const body = { domain: "acme.example" };
    const lossy = callWith({ DB: losingReplies(db) });
    expect((await lossy("POST", path, body)).status).toBe(201);
    expect(await call("POST", path, { domain: "ACME.example" })).toMatchObject({
      status: 409,
      body: { errors: [{ path: "domain" }] },
    });
    expect((await call("POST", path, { ...body, tenant: "admin" })).status).toBe(201);
  });

  it.each([
    [{}, "address"],
    [{ address: "nobody" }, "address"],
    [{ domain: "nowhere" }, "domain"],
    [{ address: "a@b.cc", domain: "b.cc" }, "domain"],
    [{ address: "a@b.cc", tenant: "ada" }, "tenant"],
    [{ address: "a@b.cc", tenant: "user:nobody-of-this-name" }, "tenant"],
    [{ address: "a@b.cc", name: "A <b>" }, "name"],
    [{ address: "a@b.cc", transport: "pigeon" }, "transport"],
    [{ address: "a@b.cc", transport: ["smtp", "smtp"] }, "transport"],
    [{ address: "a@b.cc", transport: "resend" }, "transport"],
    [{ address: "a@b.cc", trusted: true }, "trusted"],
  ])("is refused by the name of the field: %j", async (body, field) => {
    const before = await rowsInAll();
    const refused = await call("POST", path, body);
    expect(refused.status).toBe(422);
    expect(refused.body.errors[0].path.split(".")[0]).toBe(field);
    expect(await rowsInAll()).toEqual(before);
  });

  it("is in the audit log, with a hash for its address", async () => {
    const id = await create({ address: "secret@acme.example", name: "Acme" });
    await call("PATCH", `${path}/${id}`, { name: "Acme Inc" });
    await call("DELETE", `${path}/${id}`);
    const { items } = (await call("GET", "/api/admin/audit?limit=10")).body;
    const acts = items.filter(({ operation }: { operation: string }) =>
      operation.endsWith("Sender"),
    );
    expect(acts.map(({ operation }: { operation: string }) => operation).slice(0, 3)).toEqual([
      "deleteSender",
      "updateSender",
      "createSender",
    ]);
    expect(acts[1].changes).toEqual([{ field: "name", from: "Acme", to: "Acme Inc" }]);
    expect(JSON.stringify(acts)).toContain("sha256:");
    expect(JSON.stringify(acts)).not.toContain("secret@");
  });
});

it("the deletion of an account ends its senders in its batch, and no others", async () => {
  const [user, other] = [await mailer(), await mailer()];
  await create({ domain: "gone.example", tenant: tenantOf(user) });
  const kept = [
    await create({ domain: "shared.example" }),
    await create({ domain: "kept.example", tenant: tenantOf(other) }),
  ];
  expect((await call("DELETE", `/api/users/${user.userId}`)).status).toBe(204);
  const { items } = (await call("GET", path)).body;
  expect(items.map(({ id }: { id: string }) => id).toSorted()).toEqual(kept.toSorted());
  const again = await call("POST", path, { domain: "gone.example", tenant: tenantOf(user) });
  expect(again).toMatchObject({ status: 422, body: { errors: [{ path: "tenant" }] } });
});
