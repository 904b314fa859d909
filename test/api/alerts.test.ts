import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { call, callWith } from "./support.ts";

const path = "/api/admin/alerts";
const iso = (at: number): string => new Date(at).toISOString();

describe("GET /api/admin/alerts", () => {
  beforeAll(async () => {
    const alert = env.DB.prepare(
      `INSERT INTO alerts (key, holds_since, fired_at, reminded_at, summary, revision)
       VALUES (?1, 1000, ?2, NULL, ?1, 1)`,
    );
    const notice = env.DB.prepare(
      `INSERT INTO alert_notices (id, key, kind, summary, at, email_at, webhook_at)
       VALUES (?1, ?2, ?3, ?2, ?4, ?5, ?6)`,
    );
    await env.DB.batch([
      alert.bind("unheard", 5_000),
      alert.bind("heard", 5_000),
      alert.bind("over", null),
      // Of the time before: a notice about an earlier alert of the same key notifies of nothing.
      notice.bind("n0", "unheard", "fired", 1_000, 1_500, 1_500),
      notice.bind("n1", "unheard", "fired", 5_000, null, null),
      notice.bind("n2", "heard", "fired", 5_000, 6_000, null),
      notice.bind("n3", "heard", "reminder", 7_000, 8_000, 9_000),
      notice.bind("n4", "over", "recovered", 9_000, 9_500, null),
    ]);
  });

  it("shows when each channel took the notice of a firing alert, and nothing if none did", async () => {
    const { body } = await call("GET", path);
    expect(body.firing).toEqual([
      {
        key: "heard",
        severity: "ticket",
        summary: "heard",
        since: iso(1_000),
        firedAt: iso(5_000),
        emailAt: iso(8_000),
        webhookAt: iso(9_000),
      },
      {
        key: "unheard",
        severity: "ticket",
        summary: "unheard",
        since: iso(1_000),
        firedAt: iso(5_000),
      },
    ]);
  });

  it.each([
    [{}, []],
    [{ ALERT_EMAIL: "oncall@example.com" }, ["email"]],
    [{ ALERT_WEBHOOK_URL: "https://hooks.example.com/luna" }, ["webhook"]],
    [{ ALERT_EMAIL: "oncall@example.com", ALERT_WEBHOOK_URL: "ftp:x" }, ["email"]],
  ])("with %j has the channels %j", async (vars, channels) => {
    expect((await callWith(vars)("GET", path)).body.channels).toEqual(channels);
  });
});

describe("a firing alert", () => {
  const acknowledge = `${path}/unheard/acknowledge`;
  const shown = async () =>
    (await call("GET", path)).body.firing.find(({ key }: { key: string }) => key === "unheard");

  it("shows who acknowledged it first, until that is withdrawn", async () => {
    expect((await call("POST", acknowledge)).status).toBe(204);
    const { acknowledgedAt } = await shown();
    expect((await call("POST", acknowledge)).status).toBe(204);
    expect(await shown()).toMatchObject({ acknowledgedAt, acknowledgedBy: expect.any(String) });
    expect((await call("DELETE", acknowledge)).status).toBe(204);
    expect(await shown()).not.toHaveProperty("acknowledgedAt");
    expect((await call("DELETE", acknowledge)).status).toBe(404);
  });

  it("that is over cannot be acknowledged", async () => {
    expect((await call("POST", `${path}/over/acknowledge`)).status).toBe(404);
  });
});

describe("silences", () => {
  const silences = `${path}/silences`;
  const ahead = (ms: number): string => iso(Date.now() + ms);
  const HOUR_MS = 3_600_000;
  const DAY_MS = 24 * HOUR_MS;

  it("are listed with who made them and why, shown at their alerts, and end at once", async () => {
    const endsAt = ahead(HOUR_MS);
    const made = await call("POST", silences, { match: "unh*", reason: "a move", endsAt });
    expect(made).toMatchObject({ status: 201, body: { match: "unh*", reason: "a move", endsAt } });
    const later = {
      match: "*",
      reason: "window",
      startsAt: ahead(DAY_MS),
      endsAt: ahead(2 * DAY_MS),
    };
    expect((await call("POST", silences, later)).status).toBe(201);
    const { items } = (await call("GET", silences)).body;
    expect(items.map(({ reason }: { reason: string }) => reason)).toEqual(["a move", "window"]);
    const { firing } = (await call("GET", path)).body;
    expect(firing.map((one: { silencedUntil?: string }) => one.silencedUntil)).toEqual([
      undefined,
      endsAt,
    ]);
    expect((await call("DELETE", `${silences}/${made.body.id}`)).status).toBe(204);
    expect((await call("DELETE", `${silences}/${made.body.id}`)).status).toBe(404);
    expect((await call("GET", silences)).body.items).toHaveLength(1);
  });

  it.each([
    ["match", { match: "breaker *", endsAt: ahead(HOUR_MS) }],
    ["match", { match: "*:smtp", endsAt: ahead(HOUR_MS) }],
    ["endsAt", { match: "*", endsAt: ahead(-1) }],
    ["endsAt", { match: "*", endsAt: ahead(31 * DAY_MS) }],
    ["endsAt", { match: "*", startsAt: ahead(2 * HOUR_MS), endsAt: ahead(HOUR_MS) }],
    ["startsAt", { match: "*", startsAt: ahead(91 * DAY_MS), endsAt: ahead(92 * DAY_MS) }],
  ])("with a wrong %s are refused by that name: %j", async (field, body) => {
    const { status, body: problem } = await call("POST", silences, { reason: "x", ...body });
    expect(status).toBe(422);
    expect(problem.errors.map(({ path: at }: { path: string }) => at)).toEqual([field]);
  });
});
