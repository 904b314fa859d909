import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { recordDeadLetters } from "../../shared/email/sql/dead-letters.ts";
import { recordPoison } from "../../shared/email/sql/poison.ts";
import { queueEmail } from "../support/emails.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { call, callWith } from "./support.ts";

const db = env.DB;
const path = "/api/admin/email/dlq";
const process = "/api/admin/email/process-dlq";
const DAY_MS = 86_400_000;

beforeEach(async () => {
  await db.batch(
    ["emails", "email_events", "dead_letters"].map((table) => db.prepare(`DELETE FROM ${table}`)),
  );
});

/** A dead email with its dead letter, as the consumer writes them. */
async function deadEmail(
  changes: { reason?: string; tenant?: string; to?: string; at?: number } = {},
): Promise<string> {
  const {
    reason = "exhausted",
    tenant = "admin",
    to = "ada@example.com",
    at = Date.now() - 1_000,
  } = changes;
  const id = await queueEmail(db, at, { tenant, to });
  const detail = JSON.stringify({
    transport: "smtp",
    phase: "RCPT",
    code: 550,
    text: "no such user",
  });
  await db.batch([
    db
      .prepare(
        `UPDATE emails SET status = 'dead', dead_reason = ?2, attempts = 4, last_error = ?3
         WHERE id = ?1`,
      )
      .bind(id, reason, detail),
    db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at, detail)
         VALUES (?1, 1, 'dead', ?2, ?3)`,
      )
      .bind(id, at, detail),
  ]);
  await recordDeadLetters(db, [{ id, generation: 1 }], 7, at);
  return id;
}
const listed = async (query = ""): Promise<string[]> =>
  (await call("GET", `${path}${query}`)).body.items.map((item: { id: string }) => item.id);
const statusOf = (id: string) =>
  db.prepare("SELECT status FROM emails WHERE id = ?").bind(id).first<string>("status");

describe("GET /api/admin/email/dlq", () => {
  it("filters by kind, reason, tenant, recipient and age", async () => {
    const old = await deadEmail({ at: Date.now() - 2 * DAY_MS });
    const permanent = await deadEmail({ reason: "permanent" });
    const eve = await deadEmail({ tenant: "user:eve", to: "eve@example.com" });
    await recordPoison(
      db,
      { messageId: "m1", reason: "not a notification", rawBody: "{}", attempts: 1 },
      7,
      Date.now(),
    );
    expect(await listed()).toEqual(
      [old, permanent, eve, "poison:m1"].toSorted((a, b) => (a === old ? -1 : b === old ? 1 : 0)),
    );
    expect(await listed("?kind=poison")).toEqual(["poison:m1"]);
    expect(await listed("?reason=permanent")).toEqual([permanent]);
    expect(await listed("?tenant=user:eve")).toEqual([eve]);
    expect(
      await listed("?to=Eve@Example.com&reason=exhausted"),
      "in any case, as everywhere",
    ).toEqual([eve]);
    expect(await listed(`?buriedBefore=${new Date(Date.now() - DAY_MS).toISOString()}`)).toEqual([
      old,
    ]);
    expect(await listed("?tenant=nobody")).toEqual([]);
  });

  it("pages through what a filter matches", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1)
      ids.push(
        await deadEmail({
          at: Date.now() - 10_000 + n,
          reason: n === 2 ? "permanent" : "exhausted",
        }),
      );
    const first = (await call("GET", `${path}?reason=exhausted&limit=2`)).body;
    const second = (
      await call(
        "GET",
        `${path}?reason=exhausted&limit=2&cursor=${encodeURIComponent(first.nextCursor)}`,
      )
    ).body;
    expect([...first.items, ...second.items].map((item: { id: string }) => item.id)).toEqual(
      ids.filter((_, n) => n !== 2),
    );
    expect(second).not.toHaveProperty("nextCursor");
  });

  it.each([
    ["?kind=letter", "kind"],
    ["?reason=bad", "reason"],
    ["?tenant=", "tenant"],
    ["?buriedBefore=yesterday", "buriedBefore"],
  ])("refuses %s by the name of the field", async (query, field) => {
    const refused = await call("GET", `${path}${query}`);
    expect(refused).toMatchObject({ status: 422, body: { errors: [{ path: field }] } });
  });
});

describe("one dead letter", () => {
  it("shows its reason and each attempt's answer; a poison message shows its body", async () => {
    const id = await deadEmail();
    const { status, body } = await call("GET", `${path}/${id}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id,
      kind: "email",
      reason: "exhausted",
      attempts: 4,
      lastError: { code: 550, text: "no such user" },
    });
    expect(body.events.map((event: { type: string }) => event.type)).toEqual(["queued", "dead"]);
    expect(body.events[1].detail).toMatchObject({ phase: "RCPT" });
    await recordPoison(
      db,
      { messageId: "m2", reason: "not a notification", rawBody: '{"x":1}', attempts: 3 },
      7,
      Date.now(),
    );
    for (const at of ["poison:m2", "poison%3Am2"]) {
      expect((await call("GET", `${path}/${at}`)).body).toMatchObject({
        id: "poison:m2",
        kind: "poison",
        rawBody: '{"x":1}',
        events: [],
      });
    }
    expect((await call("GET", `${path}/no-such`)).status).toBe(404);
  });

  it("is discarded permanently: its email is discarded and cannot be replayed", async () => {
    const id = await deadEmail();
    expect((await call("DELETE", `${path}/${id}`)).status).toBe(204);
    expect((await call("DELETE", `${path}/${id}`)).status).toBe(404);
    expect(await listed()).toEqual([]);
    expect((await call("POST", process, {})).body).toMatchObject({ processed: 0, items: [] });
    const { body } = await call("GET", `/api/emails/${id}`);
    expect([body.status, body.events.at(-1).type]).toEqual(["discarded", "discarded"]);
    expect((await call("POST", process, { ids: [id] })).body).toMatchObject({
      processed: 0,
      items: [{ id, success: false, status: "discarded" }],
    });
  });

  it("is discarded although the reply of D1 is lost", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const id = await deadEmail();
    expect((await callWith({ DB: losingReplies(db) })("DELETE", `${path}/${id}`)).status).toBe(204);
    expect(await listed()).toEqual([]);
    vi.restoreAllMocks();
  });
});

describe("POST /api/admin/email/process-dlq", () => {
  it("replays what a filter matches, oldest first, and nothing else", async () => {
    const [one, two] = [
      await deadEmail({ at: Date.now() - 3_000 }),
      await deadEmail({ at: Date.now() - 2_000 }),
    ];
    const other = await deadEmail({ reason: "permanent" });
    const { body } = await call("POST", process, { filter: { reason: "exhausted" }, limit: 1 });
    expect(body).toMatchObject({
      processed: 1,
      errors: 0,
      items: [{ id: one, success: true, status: "queued" }],
    });
    expect(
      (await call("POST", process, { filter: { reason: "exhausted" } })).body.items,
    ).toMatchObject([{ id: two }]);
    expect(await statusOf(other)).toBe("dead");
  });

  it("with dryRun shows what it would do, and changes nothing", async () => {
    const id = await deadEmail();
    const alive = await queueEmail(db, Date.now());
    const before = (await call("GET", `/api/emails/${id}`)).body;
    const { body } = await call("POST", process, { ids: [id, alive, "no-such"], dryRun: true });
    expect(body).toMatchObject({
      processed: 1,
      errors: 2,
      items: [
        { id, success: true, status: "dead" },
        { id: alive, success: false, status: "queued" },
        { id: "no-such", success: false, status: "not-found" },
      ],
    });
    expect((await call("GET", `/api/emails/${id}`)).body).toEqual(before);
    expect(await listed()).toEqual([id]);
    expect((await call("POST", process, { dryRun: true })).body.items).toMatchObject([
      { id, success: true },
    ]);
  });

  it("spreads a backlog over time, so that the provider does not get it all at once", async () => {
    for (let n = 0; n < 30; n += 1) await deadEmail({ at: Date.now() - 60_000 + n });
    const startedAt = Date.now();
    const { body } = await call("POST", process, { limit: 1_000, ratePerSecond: 10 });
    expect(body.processed).toBe(30);
    const due = await db
      .prepare("SELECT due_at AS dueAt FROM emails ORDER BY due_at")
      .all<{ dueAt: number }>();
    const times = due.results.map(({ dueAt }) => dueAt);
    expect((times[29] ?? 0) - (times[0] ?? 0)).toBe(2_900);
    expect(times[0]).toBeGreaterThanOrEqual(startedAt);
  });

  it("replays each email once under concurrent requests", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 10; n += 1) ids.push(await deadEmail());
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => call("POST", process, { ids })),
    );
    expect(answers.reduce((sum, { body }) => sum + body.processed, 0)).toBe(10);
    const generations = await db.prepare("SELECT DISTINCT generation FROM emails").all();
    expect(generations.results).toEqual([{ generation: 2 }]);
  });

  it.each([
    [{ ids: ["a"], filter: {} }, "body"],
    [{ filter: { kind: "poison" } }, "filter.kind"],
    [{ filter: { reason: "bad" } }, "filter.reason"],
    [{ limit: 1_001 }, "limit"],
    [{ ratePerSecond: 0 }, "ratePerSecond"],
    [{ dryRun: "yes" }, "dryRun"],
  ])("refuses %j, naming %s", async (body, field) => {
    const refused = await call("POST", process, body);
    expect(refused.status).toBe(422);
    expect(refused.body.errors.map((error: { path: string }) => error.path)).toContain(field);
  });
});
