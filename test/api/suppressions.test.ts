import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { losingReplies } from "../support/lossy-database.ts";
import { call, callWith, rowsInAll } from "./support.ts";

const path = "/api/admin/email/suppressions";
const email = { to: "ada@example.com", subject: "Hello", text: "Hi" };

beforeEach(async () => {
  await env.DB.prepare("DELETE FROM suppressions").run();
});

describe("a suppressed recipient", () => {
  it("is refused with the reason, in any case of letters, and nothing is written", async () => {
    expect(
      (await call("POST", path, { address: "Ada@Example.com", note: "asked by phone" })).status,
    ).toBe(201);
    const before = await rowsInAll();
    for (const to of ["ada@example.com", "ADA@example.COM"]) {
      const refused = await call("POST", "/api/emails", { ...email, to });
      expect(refused).toMatchObject({
        status: 422,
        body: {
          type: "urn:luna:problem:suppressed",
          errors: [{ path: "to", message: "is suppressed" }],
        },
      });
      expect(refused.body.detail).toContain("an operator suppressed the address");
    }
    expect(await rowsInAll()).toEqual(before);
    expect((await call("POST", "/api/emails", { ...email, to: "eve@example.com" })).status).toBe(
      202,
    );
  });

  it("after acceptance leaves a repeat's answer unchanged, and refuses new emails", async () => {
    const keyed = { headers: { "Idempotency-Key": "before-the-bounce" } };
    const first = await call("POST", "/api/emails", email, keyed);
    await call("POST", path, { address: email.to });
    expect(await call("POST", "/api/emails", email, keyed)).toMatchObject({
      status: first.status,
      body: first.body,
    });
    expect(
      (await call("POST", "/api/emails", { ...email, subject: "Another" }, keyed)).body.type,
    ).toBe("urn:luna:problem:idempotency-key-reused");
    expect(
      (await call("POST", "/api/emails", email, { headers: { "Idempotency-Key": "after-it" } }))
        .body.type,
    ).toBe("urn:luna:problem:suppressed");
  });

  it("of all except what is purely transactional still gets that", async () => {
    await call("POST", path, { address: email.to, scope: "non-transactional" });
    expect((await call("POST", "/api/emails", email)).status).toBe(202);
    expect(
      (await call("POST", "/api/emails", { ...email, category: "transactional" })).status,
    ).toBe(202);
    for (const category of ["notification", "marketing"]) {
      expect((await call("POST", "/api/emails", { ...email, category })).body.type).toBe(
        "urn:luna:problem:suppressed",
      );
    }
  });

  it("is refused in its place of a batch, and refuses no other", async () => {
    await call("POST", path, { address: email.to });
    const { body } = await call("POST", "/api/emails/batch", {
      emails: [{ ...email, to: "bob@example.com" }, email],
    });
    expect(body).toMatchObject({
      accepted: 1,
      refused: 1,
      items: [{ status: "queued" }, { error: { type: "urn:luna:problem:suppressed" } }],
    });
  });

  it("does not keep a user from signing up", async () => {
    await call("POST", path, { address: "new@example.com" });
    expect(
      (await call("POST", "/api/users", { userId: "suppressed-user", email: "new@example.com" }))
        .status,
    ).toBe(201);
  });

  it("keeps the first time and reason if it is suppressed again", async () => {
    const first = (await call("POST", path, { address: email.to, note: "asked by phone" })).body;
    await env.DB.prepare("UPDATE suppressions SET created_at = created_at - 60000").run();
    const again = (await call("POST", path, { address: "Ada@Example.com", note: "asked by email" }))
      .body;
    expect(again).toEqual({
      ...first,
      note: "asked by email",
      createdAt: new Date(Date.parse(first.createdAt) - 60_000).toISOString(),
    });
    expect((await call("GET", path)).body.items).toMatchObject([
      { note: "asked by email", createdAt: again.createdAt },
    ]);
  });

  it("gets emails again once it is lifted", async () => {
    await call("POST", path, { address: email.to });
    await call("POST", path, { address: email.to, scope: "non-transactional" });
    expect((await call("DELETE", `${path}/${encodeURIComponent("ADA@example.com")}`)).status).toBe(
      204,
    );
    expect((await call("DELETE", `${path}/ada@example.com`)).status).toBe(404);
    expect((await call("POST", "/api/emails", { ...email, category: "marketing" })).status).toBe(
      202,
    );
  });
});

describe("the list", () => {
  it("is shown oldest first, a page at a time, and of one address", async () => {
    for (const name of ["a", "b", "c"])
      await call("POST", path, { address: `${name}@example.com` });
    const first = await call("GET", `${path}?limit=2`);
    expect(first.body.items).toMatchObject([
      {
        address: "a@example.com",
        scope: "all",
        reason: "manual",
        createdAt: expect.stringMatching(/Z$/),
      },
      { address: "b@example.com" },
    ]);
    const second = await call(
      "GET",
      `${path}?limit=2&cursor=${encodeURIComponent(first.body.nextCursor)}`,
    );
    expect(second.body).toEqual({ items: [expect.objectContaining({ address: "c@example.com" })] });
    expect((await call("GET", `${path}?address=B@example.com`)).body.items).toMatchObject([
      { address: "b@example.com" },
    ]);
  });

  it("holds an address once, also if it is suppressed twice or a reply of D1 is lost", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    await call("POST", path, { address: email.to });
    expect(
      (
        await callWith({ DB: losingReplies(env.DB) })("POST", path, {
          address: email.to,
          note: "again",
        })
      ).status,
    ).toBe(201);
    expect((await call("GET", path)).body.items).toMatchObject([
      { address: email.to, note: "again" },
    ]);
    vi.restoreAllMocks();
  });

  it.each([
    ["POST", path, { address: "nobody" }, "address"],
    ["POST", path, { address: "a@b.cc", scope: "some" }, "scope"],
    ["POST", path, { address: "a@b.cc", reason: "bounce" }, "reason"],
    ["GET", `${path}?address=x`, undefined, "address"],
    ["DELETE", `${path}/nobody`, undefined, "address"],
  ])("refuses what is wrong by the name of the field: %s %s", async (method, at, body, field) => {
    const refused = await call(method, at, body);
    expect(refused).toMatchObject({ status: 422, body: { errors: [{ path: field }] } });
  });

  it("is for the admin alone", async () => {
    const { body } = await call("POST", "/api/users", {
      userId: "not-admin",
      email: "not-admin@example.com",
    });
    for (const [method, at] of [
      ["GET", path],
      ["POST", path],
      ["DELETE", `${path}/a@b.cc`],
    ] as const) {
      expect((await call(method, at, undefined, { token: body.apiKey })).status).toBe(403);
    }
  });
});
