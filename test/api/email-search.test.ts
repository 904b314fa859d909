import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { MAX_EXAMINED } from "../../shared/email/rules/search.ts";
import { insertEmail } from "../../shared/email/sql/accept.ts";
import { CountedPlatform } from "../support/counted-platform.ts";
import { call, callWith, signUpAs, type TestUser } from "./support.ts";

/** What a search finds, page by page, against the same filters over plain objects. */

const STANDARD = "Luna <hello@luna.example>";
const OWN = "Billing <Billing@own.example>";
const statuses = ["sent", "delivered", "queued", "dead", "unknown", "cancelled"];

type Made = {
  id: string;
  tenant: string;
  status: string;
  tags: string[];
  from: string;
  to: string[];
  subject: string;
  at: number;
};

let user: TestUser;
let emails: Made[];

/** Emails of two tenants with each combination of what is searched, two at each time. */
function made(tenant: string): Made[] {
  return Array.from({ length: 120 }, (_, n) => ({
    id: crypto.randomUUID(),
    tenant: n % 2 === 0 ? tenant : "admin",
    status: statuses[n % statuses.length] ?? "sent",
    tags: [[], ["welcome"], ["welcome", "trial"]][n % 3] ?? [],
    from: n % 4 === 0 ? OWN : STANDARD,
    to: n % 5 === 0 ? ["Ada@example.com", "bob@example.com"] : ["bob@example.com"],
    subject: n % 7 === 0 ? "Invoice 50%" : "invitation",
    at: 1_000 + Math.floor(n / 2),
  })).toSorted((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1));
}

beforeAll(async () => {
  user = await signUpAs("pro");
  await env.DB.prepare("DELETE FROM emails").run();
  emails = made(`user:${user.userId}`);
  for (const { id, status, tags, to, at, ...email } of emails) {
    const recipients = to.map((address) => ({ kind: "to" as const, address, name: "" }));
    const row = {
      ...email,
      id,
      tags,
      to: to[0] ?? "",
      ...(to.length > 1 && { recipients }),
      text: "Hi",
      onUnknown: "hold" as const,
    };
    await env.DB.batch([
      ...insertEmail(env.DB, row, at),
      env.DB.prepare("UPDATE emails SET status = ?2, sender_id = ?3 WHERE id = ?1").bind(
        id,
        status,
        email.from === OWN ? "snd_own" : null,
      ),
      // What several recipients got decides what is shown.
      ...(status === "delivered"
        ? [
            env.DB.prepare(
              "UPDATE email_recipients SET status = 'delivered' WHERE email_id = ?1",
            ).bind(id),
          ]
        : []),
    ]);
  }
});
afterAll(() => void vi.restoreAllMocks());

/** Every item of a list, page by page. */
async function all(query: Record<string, string>, token?: string): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | undefined; ;) {
    const search = new URLSearchParams({ ...query, ...(cursor !== undefined && { cursor }) });
    const path = `/api/emails?${search.toString()}`;
    const { status, body } = await call(
      "GET",
      path,
      undefined,
      token === undefined ? {} : { token },
    );
    expect(status, JSON.stringify(body)).toBe(200);
    ids.push(...(body.items as { id: string }[]).map(({ id }) => id));
    cursor = body.nextCursor as string | undefined;
    if (cursor === undefined) return ids;
  }
}

const addressOf = (from: string): string => /<(.*)>/.exec(from)?.[1]?.toLowerCase() ?? from;

function matches(email: Made, query: Record<string, string>): boolean {
  const { status, tag, from, to, subject, createdFrom, createdBefore } = query;
  return (
    (status === undefined || email.status === status) &&
    (tag === undefined || email.tags.includes(tag)) &&
    (from === undefined || addressOf(email.from) === from.toLowerCase()) &&
    (to === undefined || email.to.some((one) => one.toLowerCase() === to.toLowerCase())) &&
    (subject === undefined || email.subject.toLowerCase().startsWith(subject.toLowerCase())) &&
    (createdFrom === undefined || email.at >= Date.parse(createdFrom)) &&
    (createdBefore === undefined || email.at < Date.parse(createdBefore))
  );
}

const maybe = (...values: string[]) => fc.constantFrom(undefined, ...values);
const time = (at: number): string => new Date(at).toISOString();
const queries = fc
  .record({
    status: maybe(...statuses),
    tag: maybe("welcome", "trial", "none"),
    from: maybe("billing@OWN.example", "hello@luna.example", "nobody@own.example"),
    to: maybe("ada@EXAMPLE.com", "bob@example.com"),
    subject: maybe("INV", "invoice 50%", "%"),
    createdFrom: maybe(time(1_010), time(1_050)),
    createdBefore: maybe(time(1_030), time(1_055)),
    limit: fc.constantFrom("3", "7", "100"),
  })
  .map((query) =>
    Object.fromEntries(
      Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
  );

describe("a search finds just what matches, newest first, on pages of any size", () => {
  it("for the admin among all emails, and for a user among their own", async () => {
    await fc.assert(
      fc.asyncProperty(queries, fc.boolean(), async (query, isUser) => {
        const seen = emails.filter(
          (email) => matches(email, query) && (!isUser || email.tenant !== "admin"),
        );
        const found = await all(query, isUser ? user.token : undefined);
        expect(found).toEqual(seen.map(({ id }) => id));
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ["status", "gone"],
    ["tag", "no tag"],
    ["from", "nobody"],
    ["subject", ""],
    ["createdFrom", "yesterday"],
  ])("and refuses a wrong %s by its name", async (field, value) => {
    const { status, body } = await call("GET", `/api/emails?${field}=${encodeURIComponent(value)}`);
    expect([status, body.errors?.[0]?.path]).toEqual([422, field]);
  });
});

describe("an email with several recipients is found by the status that it is shown with", () => {
  it("which follows from theirs", async () => {
    const id = crypto.randomUUID();
    const recipients = ["x@example.com", "y@example.com"].map((address) => ({
      kind: "to" as const,
      address,
      name: "",
    }));
    const email = { id, tenant: "admin", from: STANDARD, to: "x@example.com", recipients };
    const row = { ...email, subject: "Shown", text: "Hi", onUnknown: "hold" as const };
    await env.DB.batch([
      ...insertEmail(env.DB, row, 5_000),
      env.DB.prepare("UPDATE emails SET status = 'sent' WHERE id = ?1").bind(id),
      env.DB.prepare(
        "UPDATE email_recipients SET status = 'bounced' WHERE email_id = ?1 AND n = 2",
      ).bind(id),
    ]);
    expect(await all({ status: "bounced" })).toEqual([id]);
    expect(await all({ status: "sent", subject: "Shown" })).toEqual([]);
    await env.DB.prepare("DELETE FROM emails WHERE id = ?1").bind(id).run();
  });
});

describe("a search that an index does not serve", () => {
  const STORED = 2_500;
  const times = `createdFrom=${time(100_000)}&createdBefore=${time(200_000)}`;
  const sql = `INSERT INTO emails (id, tenant, format, generation_at, status, from_address,
      to_address, subject, due_at, ring_after, created_at, updated_at)
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${STORED})
    SELECT 'many-' || printf('%05d', n), 'user:other', 2, 1, 'sent', 'a@b.cc', 'c@d.ee',
      iif(n IN (2400, 100), 'Needle', 'Hay'), 1, 1, 100000 + n, 1 FROM numbers`;
  beforeAll(async () => void (await env.DB.prepare(sql).run()));

  it("looks at 1,000 emails per page, and states how far it looked", async () => {
    const platform = new CountedPlatform();
    const pages: unknown[] = [];
    let cursor = "";
    do {
      const path = `/api/emails?subject=needle&${times}${cursor}`;
      const { body } = await callWith({ DB: platform.database(env.DB) })("GET", path);
      const { d1RowsRead } = await platform.take();
      expect(d1RowsRead).toBeLessThanOrEqual(4 * MAX_EXAMINED + 60);
      const found = (body.items as { id: string }[]).map(({ id }) => id);
      const { searchedBackTo } = body;
      pages.push({ found, searchedBackTo });
      cursor = body.nextCursor === undefined ? "" : `&cursor=${String(body.nextCursor)}`;
    } while (cursor !== "");
    expect(pages).toEqual([
      { found: ["many-02400"], searchedBackTo: time(101_501) },
      { found: [], searchedBackTo: time(100_501) },
      { found: ["many-00100"] },
    ]);
  });

  it("stops once its page is full", async () => {
    const platform = new CountedPlatform();
    const path = `/api/emails?subject=hay&limit=10&${times}`;
    const { body } = await callWith({ DB: platform.database(env.DB) })("GET", path);
    expect(body.items).toHaveLength(10);
    expect((await platform.take()).d1RowsRead).toBeLessThanOrEqual(60);
  });
});

describe("what is stored for the search goes with the email", () => {
  it("its tags, once each", async () => {
    const id = crypto.randomUUID();
    const row = { id, tenant: "admin", from: STANDARD, to: "a@b.cc", subject: "S", text: "Hi" };
    const tags = ["one", "two", "one"];
    await env.DB.batch(insertEmail(env.DB, { ...row, tags, onUnknown: "hold" }, 7_000));
    const stored = async () =>
      (await env.DB.prepare("SELECT tag FROM email_tags WHERE email_id = ?1").bind(id).all())
        .results;
    expect(await stored()).toEqual([{ tag: "one" }, { tag: "two" }]);
    await env.DB.prepare("DELETE FROM emails WHERE id = ?1").bind(id).run();
    expect(await stored()).toEqual([]);
  });
});
