import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { noteRateAnswer } from "../../shared/email/sql/pace.ts";
import { emailRow, queueEmail } from "../support/emails.ts";
import { scraped, valueOf } from "../support/scraped.ts";
import { call, callWith } from "./support.ts";

const path = "/api/admin/email/transports";
const detail = { transport: "resend", phase: "HTTP", code: 429, text: "too many requests" };

beforeEach(async () => {
  await env.DB.batch(
    ["emails", "transport_pace"].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
  );
});

async function limited(closedForMs: number | null): Promise<number> {
  const now = Date.now();
  const closedUntil = closedForMs === null ? null : now + closedForMs;
  const answer = { transport: "resend" as const, beganAt: now, closedUntil, detail };
  await env.DB.batch(noteRateAnswer(env.DB, answer, 200, now));
  return now;
}

const rateOf = async (changes: Parameters<typeof callWith>[0] = {}): Promise<number | null> => {
  const { text } = await callWith(changes)("GET", "/metrics", undefined, { text: true });
  return valueOf(scraped(text), "luna_email_rate_per_second", { transport: "resend" });
};
const resendOnly = { EMAIL_TRANSPORTS: "resend" };

describe("the transports of emails", () => {
  it("are listed with their configured rates, and without a rate if they have none", async () => {
    const feedback = "not-configured";
    const webhook = { feedback: "configured" };
    expect((await callWith(resendOnly)("GET", path)).body.items).toEqual([
      { name: "smtp", used: false, feedback },
      { name: "cloudflare", used: false, feedback },
      { name: "resend", used: true, ...webhook, configuredPerSecond: 5, ratePerSecond: 5 },
      { name: "ses", used: false, feedback, configuredPerSecond: 14, ratePerSecond: 14 },
    ]);
    expect(await rateOf(resendOnly)).toBe(5);
    expect(await rateOf({ EMAIL_TRANSPORTS: "smtp" })).toBeNull();
  });

  it("show the rate that an answer about it has left, and since when", async () => {
    const at = await limited(null);
    const { body } = await call("GET", path);
    const resend = body.items.find(({ name }: { name: string }) => name === "resend");
    expect(resend).toMatchObject({ ratePerSecond: 2.5, slowedAt: new Date(at).toISOString() });
    expect(await rateOf(resendOnly)).toBeCloseTo(2.5, 1);
  });

  it("show until when a limit closes one, and the answer that closed it", async () => {
    const at = await limited(300_000);
    const { body } = await call("GET", path);
    const resend = body.items.find(({ name }: { name: string }) => name === "resend");
    expect(resend.closed).toEqual({
      until: new Date(at + 300_000).toISOString(),
      by: { phase: "HTTP", code: 429, text: "too many requests" },
    });
    expect(await rateOf(resendOnly)).toBe(0);
  });

  it("take emails again when an operator resets one, who is audited with the reason", async () => {
    const at = await limited(3_600_000);
    const id = await queueEmail(env.DB, at);
    await env.DB.prepare(
      `UPDATE emails SET due_at = due_at + 3600000, wait_class = 'rate', waiting_since = ?2
       WHERE id = ?1`,
    )
      .bind(id, at)
      .run();
    const reset = await call("POST", `${path}/resend/reset`, { reason: "a larger plan" });
    expect(reset).toMatchObject({
      status: 200,
      body: { name: "resend", emailsDue: 1, more: false },
    });
    expect((await emailRow(env.DB, id)).due_at).toBeLessThanOrEqual(Date.now());
    expect(await rateOf(resendOnly)).toBe(5);
    const { body } = await call("GET", "/api/admin/audit?limit=1");
    expect(body.items[0]).toMatchObject({
      operation: "resetEmailTransport",
      changes: [{ field: "reason", to: "a larger plan" }],
    });
  });

  it("are not reset without a reason, or by another name", async () => {
    await limited(3_600_000);
    expect((await call("POST", `${path}/resend/reset`, {})).status).toBe(422);
    expect((await call("POST", `${path}/pigeon/reset`, { reason: "x" })).status).toBe(404);
    expect(await rateOf(resendOnly)).toBe(0);
  });
});
