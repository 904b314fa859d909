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
        summary: "heard",
        since: iso(1_000),
        firedAt: iso(5_000),
        emailAt: iso(8_000),
        webhookAt: iso(9_000),
      },
      { key: "unheard", summary: "unheard", since: iso(1_000), firedAt: iso(5_000) },
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
