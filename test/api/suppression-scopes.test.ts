import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { call, signUpAs, type TestUser } from "./support.ts";

const path = "/api/admin/email/suppressions";
const email = { to: "ada@example.com", subject: "Hello", text: "Hi" };
const news = { ...email, category: "marketing" };
const [ACCEPTED, REFUSED] = [202, 422];

let user: TestUser;

beforeEach(async () => {
  await env.DB.batch(
    ["suppressions", "scoped_suppressions"].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
  );
  user = await signUpAs("pro");
  await call("PATCH", `/api/users/${user.userId}`, { scopes: ["emails:send"] });
});

const suppress = async (body: object) => {
  const answer = await call("POST", path, { address: "Ada@Example.com", ...body });
  expect(answer.status).toBe(201);
  return answer.body;
};
const sends = async (body: object, token?: string): Promise<number> =>
  (await call("POST", "/api/emails", body, token === undefined ? {} : { token })).status;
const tenant = (): string => `user:${user.userId}`;

describe("a suppression", () => {
  it("of a tenant stops the emails of that tenant alone", async () => {
    expect(await suppress({ tenant: tenant() })).toMatchObject({ tenant: tenant(), scope: "all" });
    expect(await sends(email, user.token)).toBe(REFUSED);
    expect(await sends(email)).toBe(ACCEPTED);
    expect(await sends({ ...email, to: "eve@example.com" }, user.token)).toBe(ACCEPTED);
  });

  it("of a category stops that category alone, and never a transactional email", async () => {
    await suppress({ scope: "marketing" });
    expect(await sends(news)).toBe(REFUSED);
    expect(await sends({ ...email, category: "notification" })).toBe(ACCEPTED);
    expect(await sends(email)).toBe(ACCEPTED);
  });

  it("of a category of a tenant stops neither other tenants nor other categories", async () => {
    await suppress({ tenant: tenant(), scope: "notification" });
    expect(await sends({ ...email, category: "notification" }, user.token)).toBe(REFUSED);
    expect(await sends({ ...email, category: "notification" })).toBe(ACCEPTED);
    expect(await sends(news, user.token)).toBe(ACCEPTED);
    await suppress({ tenant: tenant(), scope: "non-transactional" });
    expect(await sends(news, user.token)).toBe(REFUSED);
    expect(await sends(email, user.token)).toBe(ACCEPTED);
  });

  it("of one of several recipients leaves that one out", async () => {
    await suppress({ tenant: "admin" });
    const { status, body } = await call("POST", "/api/emails", {
      ...email,
      to: ["ada@example.com", "eve@example.com"],
    });
    expect(status).toBe(ACCEPTED);
    const { results } = await env.DB.prepare(
      "SELECT address, status FROM email_recipients WHERE email_id = ? ORDER BY n",
    )
      .bind(body.id)
      .all();
    expect(results).toEqual([
      { address: "ada@example.com", status: "suppressed" },
      { address: "eve@example.com", status: null },
    ]);
  });

  it("is saved twice as one, with the first time and the newest note", async () => {
    const first = await suppress({ scope: "marketing", note: "one" });
    const again = await suppress({ scope: "marketing", note: "two" });
    expect(again).toEqual({ ...first, note: "two" });
    expect((await call("GET", path)).body.items).toHaveLength(1);
  });

  it("is lifted by its scope or tenant, or with all others of the address", async () => {
    const lift = async (query: string): Promise<number> =>
      (await call("DELETE", `${path}/ada@example.com${query}`)).status;
    await suppress({});
    await suppress({ scope: "marketing" });
    await suppress({ tenant: tenant() });
    expect(await lift("?scope=notification")).toBe(404);
    expect(await lift("?scope=marketing")).toBe(204);
    expect(await lift("?tenant=")).toBe(204);
    expect((await call("GET", path)).body.items).toMatchObject([{ tenant: tenant() }]);
    expect(await sends(news)).toBe(ACCEPTED);
    await suppress({});
    expect(await lift("")).toBe(204);
    expect((await call("GET", path)).body.items).toEqual([]);
  });

  it.each([
    [{ tenant: "team" }, "tenant"],
    [{ scope: "transactional" }, "scope"],
  ])("is refused by the name of what is wrong: %o", async (body, field) => {
    expect(await call("POST", path, { address: "a@b.cc", ...body })).toMatchObject({
      status: 422,
      body: { errors: [{ path: field }] },
    });
  });
});

describe("the list of suppressions", () => {
  it("goes through every scope in the order of time, and has a filter for each", async () => {
    const own = tenant();
    const made = [
      {},
      { scope: "marketing" },
      { tenant: own },
      { scope: "non-transactional" },
      { tenant: own, scope: "marketing" },
    ];
    for (const body of made) await suppress(body);
    await env.DB.batch([
      env.DB.prepare("UPDATE suppressions SET created_at = iif(scope = 'all', 1, 3)"),
      env.DB.prepare("UPDATE scoped_suppressions SET created_at = 3"),
    ]);
    const listed = async (query: string) => {
      const scopes: string[] = [];
      for (let cursor = ""; ;) {
        const { body } = await call("GET", `${path}?limit=2${query}${cursor}`);
        for (const { scope, tenant: of = "" } of body.items) scopes.push(`${of} ${scope}`.trim());
        if (body.nextCursor === undefined) return scopes;
        cursor = `&cursor=${encodeURIComponent(body.nextCursor)}`;
      }
    };
    const all = await listed("");
    expect(all.slice(0, 2)).toEqual(["all", "non-transactional"]);
    const scoped = ["marketing", `${own} all`, `${own} marketing`];
    expect(all.slice(2).toSorted()).toEqual(scoped.toSorted());
    expect(await listed("&address=ada@example.com")).toEqual(all);
    expect((await listed(`&tenant=${own}`)).toSorted()).toEqual(scoped.slice(1));
    expect(await listed("&tenant=")).toEqual(["all", "non-transactional", "marketing"]);
    expect((await listed("&scope=marketing")).toSorted()).toEqual([
      "marketing",
      `${own} marketing`,
    ]);
    expect(await listed(`&scope=all&tenant=${own}&address=ada@example.com`)).toEqual([
      `${own} all`,
    ]);
    expect(await call("GET", `${path}?scope=all&tenant=${own}`)).toMatchObject({
      status: 422,
      body: { errors: [{ path: "scope" }] },
    });
  });
});

describe("many suppressions are lifted together", () => {
  const remove = (body: object) => call("POST", `${path}/delete`, body);
  const left = async (): Promise<string[]> =>
    (await call("GET", `${path}?limit=100`)).body.items.map(
      ({ address }: { address: string }) => address,
    );

  it("by a list of addresses, and only those that the other fields name", async () => {
    for (const name of ["a", "b", "c"]) await suppress({ address: `${name}@example.com` });
    await suppress({ address: "a@example.com", scope: "marketing" });
    const addresses = ["A@example.com", "b@example.com", "nobody@example.com"];
    expect((await remove({ addresses, scope: "marketing" })).body).toEqual({ deleted: 1 });
    expect((await remove({ addresses, reason: "bounce" })).body).toEqual({ deleted: 0 });
    expect((await remove({ addresses })).body).toEqual({ deleted: 2 });
    expect(await left()).toEqual(["c@example.com"]);
  });

  it("by a filter, page after page, of which each has bounded work", async () => {
    const insert = (table: string, rows: string) =>
      env.DB.prepare(
        `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 1200)
         INSERT INTO ${table} ${rows} FROM numbers`,
      );
    await env.DB.batch([
      insert(
        "suppressions (address, scope, reason, created_at)",
        "SELECT 'w' || n || '@x.example', 'all', iif(n % 2, 'bounce', 'manual'), n",
      ),
      insert(
        "scoped_suppressions (id, address, tenant, scope, reason, created_at)",
        "SELECT 's_' || n, 's' || n || '@x.example', '', 'marketing', 'bounce', n",
      ),
    ]);
    const before = new Date(1_101).toISOString();
    const answers: { deleted: number; nextCursor?: string }[] = [];
    for (let cursor: string | undefined; ;) {
      const { body } = await remove({ reason: "bounce", before, ...(cursor && { cursor }) });
      answers.push(body);
      cursor = body.nextCursor;
      if (cursor === undefined) break;
    }
    expect(answers.length).toBeGreaterThan(1);
    expect(answers.every(({ deleted }) => deleted <= 1_000)).toBe(true);
    expect(answers.reduce((sum, { deleted }) => sum + deleted, 0)).toBe(1_100 + 550);
    expect((await remove({ scope: "marketing" })).body).toEqual({ deleted: 100 });
    const { body } = await call("GET", "/api/admin/audit?limit=1");
    expect(body.items).toMatchObject([
      { operation: "deleteSuppressions", changes: [{ field: "scope", to: "marketing" }] },
    ]);
  });

  it.each([
    [{}, "body"],
    [{ cursor: "1~1" }, "body"],
    [{ addresses: ["nobody"] }, "addresses.0"],
    [{ addresses: ["a@b.cc"], cursor: "1~1" }, "cursor"],
    [{ before: "today" }, "before"],
  ])("unless what is wrong is named: %o", async (body, field) => {
    await suppress({});
    const refused = await remove(body);
    expect(refused.status).toBe(422);
    expect(refused.body.errors[0].path).toBe(field);
    expect(await left()).toHaveLength(1);
  });
});

it("the release before leaves out who is suppressed for a tenant or a category", async () => {
  await suppress({ tenant: tenant(), scope: "marketing" });
  await env.DB.prepare(
    `INSERT INTO emails (id, tenant, format, generation_at, status, from_address, to_address,
       subject, category, due_at, ring_after, created_at, updated_at)
     SELECT value, ?1, 1, 1, 'queued', 'a@b.cc', 'Ada@example.com', 'Hi', value, 1, 1, 1, 1
     FROM json_each('["marketing", "notification"]')`,
  )
    .bind(tenant())
    .run();
  const { results } = await env.DB.prepare(
    `SELECT email_id AS id, status FROM email_recipients
     WHERE email_id IN ('marketing', 'notification')`,
  ).all();
  expect(results).toEqual([
    { id: "marketing", status: "suppressed" },
    { id: "notification", status: null },
  ]);
});
