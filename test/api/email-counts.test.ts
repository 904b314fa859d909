import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { countStates } from "../../shared/email/rules/counts.ts";
import { call, signUpAs, type TestUser } from "./support.ts";

let user: TestUser;
const countedAt = Date.parse("2026-11-25T04:00:00Z");

beforeAll(async () => {
  user = await signUpAs("pro");
  const zeros = countStates.map(() => "0").join(", ");
  const insert = ([tenant, kind, day, name]: string[], sent: number) =>
    env.DB.prepare(
      `INSERT INTO email_counts (tenant, kind, day, name, ${countStates.join(", ")})
       VALUES (?1, ?2, ?3, ?4, ${zeros.replace("0, 0", `2, ${sent}`)})`,
    ).bind(tenant, kind, day, name);
  await env.DB.batch([
    env.DB.prepare("INSERT INTO email_count_days VALUES ('2026-11-25', ?1, NULL)").bind(countedAt),
    insert(["", "day", "2026-11-24", ""], 3),
    insert(["", "day", "2026-11-25", ""], 7),
    insert(["", "tag", "2026-11-25", ""], 1),
    insert(["", "tag", "2026-11-25", "welcome"], 4),
    insert([`user:${user.userId}`, "day", "2026-11-25", ""], 5),
  ]);
});

const list = async (query: string, token?: string) => {
  const { status, body } = await call(
    "GET",
    `/api/email-counts${query}`,
    undefined,
    token === undefined ? {} : { token },
  );
  expect(status, JSON.stringify(body)).toBe(200);
  return body as { items: Record<string, unknown>[]; nextCursor?: string };
};

describe("GET /api/email-counts", () => {
  it("shows the emails of all tenants by day, newest first, and as of when", async () => {
    const first = await list("?limit=1");
    expect(first.items).toEqual([
      {
        day: "2026-11-25",
        accepted: 9,
        ...Object.fromEntries(countStates.map((state) => [state, 0])),
        waiting: 2,
        sent: 7,
        countedAt: "2026-11-25T04:00:00.000Z",
      },
    ]);
    const next = await list(`?limit=1&cursor=${encodeURIComponent(first.nextCursor ?? "")}`);
    expect(next.items).toMatchObject([{ day: "2026-11-24", accepted: 5 }]);
    expect(next.nextCursor).toBeUndefined();
  });

  it("shows the names of a day, and what the further ones have together without a name", async () => {
    const first = await list("?by=tag&day=2026-11-25&limit=1");
    expect(first.items).toMatchObject([{ name: "welcome", sent: 4 }]);
    const next = await list(`?by=tag&limit=1&cursor=${encodeURIComponent(first.nextCursor ?? "")}`);
    expect(next.items.map(({ name, sent }) => [name, sent])).toEqual([[undefined, 1]]);
  });

  it("shows a user their own, and an operator those of one tenant", async () => {
    const own = await list("", user.token);
    expect(own.items).toMatchObject([{ accepted: 7, sent: 5 }]);
    expect(await list(`?tenant=user:${user.userId}`)).toEqual(own);
  });

  it.each([
    ["by", "hour"],
    ["day", "2026-11"],
    ["cursor", "4711"],
  ])("refuses a wrong %s by its name", async (field, value) => {
    const { status, body } = await call("GET", `/api/email-counts?${field}=${value}`);
    expect([status, body.errors?.[0]?.path]).toEqual([422, field]);
  });
});
