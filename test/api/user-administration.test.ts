import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { claim } from "../../shared/email/sql/claim.ts";
import { notification } from "../support/emails.ts";
import { call, rows, signUpAs, type TestUser } from "./support.ts";

/** What operators keep about users, how they find them, and how they suspend them. */

let user: TestUser;
beforeEach(async () => void (user = await signUpAs("pro")));

const at = (): string => `/api/users/${user.userId}`;
const fresh = { headers: { "Cache-Control": "no-cache" } };

describe("metadata", () => {
  it("is kept as it was sent, replaced as a whole, and removed by null", async () => {
    const metadata = { plan: "gold", seats: 3, trial: false, ["__proto__"]: "x", name: "Zoë 🎈" };
    const save = async (value: unknown) =>
      (await call("PATCH", at(), { metadata: value })).body.user.metadata;
    expect(await save(metadata)).toEqual(metadata);
    const shown = await call("GET", at(), undefined, fresh);
    expect(JSON.stringify(shown.body.user.metadata)).toBe(JSON.stringify(metadata));
    expect(await save({ plan: "blue" })).toEqual({ plan: "blue" });
    expect(await save(null)).toBeUndefined();
  });

  it("comes with a sign-up, and goes with the account", async () => {
    const body = { userId: "meta", email: "meta@example.com", metadata: { crm: "c-1" } };
    expect((await call("POST", "/api/users", body)).body.user.metadata).toEqual({ crm: "c-1" });
    await call("DELETE", "/api/users/meta");
    const row = env.DB.prepare("SELECT metadata FROM users WHERE user_id = 'meta'");
    expect(await row.first("metadata")).toBeNull();
  });

  it("is the operator's: a user reads it and cannot change it", async () => {
    const { token } = user;
    await call("PATCH", at(), { metadata: { plan: "gold" } });
    const changed = await call("PATCH", at(), { metadata: { plan: "free" } }, { token });
    expect(changed.status).toBe(403);
    const shown = await call("GET", at(), undefined, { token });
    expect(shown.body.user.metadata).toEqual({ plan: "gold" });
  });

  it.each([
    ["a nested object", { a: { b: 1 } }, "metadata.a"],
    ["a long text", { a: "x".repeat(1_001) }, "metadata.a"],
    ["a name with a space", { "a b": 1 }, "metadata.a b"],
    [
      "too many entries",
      Object.fromEntries([...Array(51).keys()].map((n) => [`k${n}`, n])),
      "metadata",
    ],
    [
      "too much",
      Object.fromEntries([...Array(9).keys()].map((n) => [`k${n}`, "x".repeat(1_000)])),
      "metadata",
    ],
    ["half an emoji", { a: "\ud83c" }, "metadata.a"],
  ])("with %s is refused by name, and nothing is written", async (_, metadata, path) => {
    const { status, body } = await call("PATCH", at(), { metadata });
    expect(status).toBe(422);
    expect(body.errors[0].path).toBe(path);
    expect((await call("GET", at(), undefined, fresh)).body.user).not.toHaveProperty("metadata");
  });
});

describe("the list of users", () => {
  const list = async (query: string) => (await call("GET", `/api/admin/users?${query}`)).body;
  const idsOf = ({ items }: { items: { userId: string }[] }) => items.map(({ userId }) => userId);

  it("finds by the beginning of the id or of the address, a page at a time", async () => {
    for (const n of [1, 2, 3])
      await call("POST", "/api/users", { userId: `find-${n}`, email: `Zora.${4 - n}@example.com` });
    await call("POST", "/api/users", { userId: "finder", email: "other+zora@example.com" });
    await call("DELETE", "/api/users/find-3");
    expect(idsOf(await list("idPrefix=find-"))).toEqual(["find-1", "find-2"]);
    expect(idsOf(await list("emailPrefix=ZORA."))).toEqual(["find-2", "find-1"]);
    for (const [prefix, ids] of [
      ["idPrefix=find", ["find-1", "find-2", "finder"]],
      ["emailPrefix=zora", ["find-2", "find-1"]],
    ] as const) {
      const seen: string[] = [];
      let cursor = "";
      for (let pages = 0; pages < 5; pages += 1) {
        const page = await list(`${prefix}&limit=1${cursor}`);
        seen.push(...idsOf(page));
        if (page.nextCursor === undefined) break;
        cursor = `&cursor=${page.nextCursor}`;
      }
      expect(seen).toEqual(ids);
    }
    expect(idsOf(await list("idPrefix=%25"))).toEqual([]);
  });

  it("finds by when a user was created or last changed: from a time on, and before another", async () => {
    const day = (n: number) => Date.UTC(2020, 0, n);
    const stamp = env.DB.prepare(
      "UPDATE users SET created_at = ?2, updated_at = ?3 WHERE user_id = ?1",
    );
    const others = [await signUpAs("pro"), await signUpAs("pro")];
    for (const [n, { userId }] of [user, ...others].entries())
      await stamp.bind(userId, day(1 + n), day(11 - n)).run();
    const [first, second, third] = [user, ...others].map(({ userId }) => userId);
    const iso = (n: number) => new Date(day(n)).toISOString();
    expect(idsOf(await list(`createdFrom=${iso(1)}&createdTo=${iso(3)}`))).toEqual([second, first]);
    expect(idsOf(await list(`updatedFrom=${iso(9)}&updatedTo=${iso(11)}`))).toEqual([
      second,
      third,
    ]);
    const page = await list(`updatedTo=${iso(12)}&limit=2`);
    expect(idsOf(page)).toEqual([first, second]);
    expect(idsOf(await list(`updatedTo=${iso(12)}&cursor=${page.nextCursor}`))).toEqual([third]);
  });

  it("refuses a cursor that names no address, where the list is in their order", async () => {
    for (const wrong of ["0~a.b", "0~a", "0~_w"])
      expect(await call("GET", `/api/admin/users?emailPrefix=a&cursor=${wrong}`)).toMatchObject({
        status: 422,
        body: { errors: [{ path: "cursor", message: "is not a cursor of this list" }] },
      });
  });

  it("refuses two kinds of filters, and names one of them", async () => {
    const { status, body } = await call(
      "GET",
      "/api/admin/users?idPrefix=a&updatedTo=2026-01-01T00:00:00Z",
    );
    expect(status).toBe(422);
    expect(body.errors).toEqual([
      { path: "updatedTo", message: "cannot be combined with another filter" },
    ]);
  });
});

describe("a suspended user", () => {
  const suspend = async () => await call("POST", `${at()}/suspend`, { reason: "chargeback" });

  it("is refused with each of their keys, by name, and goes on after the suspension", async () => {
    const made = await call("POST", `${at()}/api-keys`, { name: "CI", scopes: ["users:read"] });
    const ask = async (token: string) => await call("GET", "/api/me", undefined, { token });
    expect((await ask(made.body.apiKey)).status).toBe(200);
    expect((await suspend()).body.user.suspended).toMatchObject({ reason: "chargeback" });
    for (const token of [user.token, made.body.apiKey])
      expect(await ask(token)).toMatchObject({
        status: 403,
        body: { type: "urn:luna:problem:account-suspended" },
      });
    expect((await call("POST", `${at()}/resume`)).body.user).not.toHaveProperty("suspended");
    for (const token of [user.token, made.body.apiKey]) expect((await ask(token)).status).toBe(200);
  });

  it("loses no email: what was accepted waits, and is due at once after the suspension", async () => {
    await call("PATCH", at(), { scopes: ["emails:send"] });
    const email = { to: "a@example.com", subject: "Hi", text: "Hi" };
    const { id } = (await call("POST", "/api/emails", email, { token: user.token })).body;
    await suspend();
    const take = async () => {
      const now = Date.now();
      const claiming = { token: `t-${now}`, now, leaseExpiresAt: now + 1, open: ["smtp" as const] };
      return (await claim(env.DB, { notifications: [notification(id)], ...claiming })).claimed;
    };
    expect(await take()).toEqual([]);
    const shown = await call("GET", `/api/emails/${id}`);
    expect(shown.body).toMatchObject({ status: "queued", waiting: { reason: "paused" } });
    expect((await call("GET", "/api/admin/email/pauses")).body.items).toEqual([]);
    await call("POST", `${at()}/resume`);
    expect(await take()).toMatchObject([{ id }]);
  });

  it("leaves no pause behind if the account is deleted", async () => {
    await suspend();
    const pauses = `email_pauses WHERE scope = 'account:user:${user.userId}'`;
    expect(await rows(pauses)).toBe(1);
    expect((await call("DELETE", at())).status).toBe(204);
    expect(await rows(pauses)).toBe(0);
  });

  it("a repeat keeps the beginning of the suspension, and changes its reason", async () => {
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now);
    await suspend();
    vi.spyOn(Date, "now").mockReturnValue(now + 5_000);
    const { user: again } = (await call("POST", `${at()}/suspend`, { reason: "fraud" })).body;
    vi.restoreAllMocks();
    expect(again.suspended).toEqual({ at: new Date(now).toISOString(), reason: "fraud" });
  });

  it("is an event, as is its end, and a change of metadata", async () => {
    await call("POST", "/api/webhook-endpoints", { url: "https://example.com/", events: ["*"] });
    await suspend();
    await call("POST", `${at()}/resume`);
    await call("PATCH", at(), { metadata: { plan: "gold" } });
    const { results } = await env.DB.prepare(
      "SELECT type FROM webhook_events WHERE tenant = ?1 ORDER BY n",
    )
      .bind(`user:${user.userId}`)
      .all<{ type: string }>();
    expect(results.map(({ type }) => type)).toEqual([
      "user.suspended",
      "user.resumed",
      "user.updated",
    ]);
  });
});
