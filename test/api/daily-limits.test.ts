import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import type { DailyLimits } from "../../shared/email/rules/daily-limits.ts";
import { acceptEach, rereadVerdicts, type Submitted } from "../../shared/email/sql/submissions.ts";
import { call, callWith, rows, signUpAs } from "./support.ts";

const db = env.DB;
const DAY_MS = 86_400_000;
const start = 20_000 * DAY_MS;

beforeEach(async () => {
  await db.batch(
    ["emails", "email_days", "idempotency_keys", "suppressions"].map((table) =>
      db.prepare(`DELETE FROM ${table}`),
    ),
  );
});

let next = 0;
const email = (limits: DailyLimits | null, changes: Partial<Submitted> = {}): Submitted => ({
  id: `limited-${(next += 1)}`,
  tenant: "user:a",
  from: "luna@example.com",
  to: "ada@example.com",
  subject: "Hi",
  text: "Hi",
  onUnknown: "hold",
  key: null,
  limits,
  ...changes,
});
const keyed = (name: string): Submitted["key"] => ({
  name,
  former: null,
  requestHash: "h",
  canonicalHash: "h",
});
const accept = async (emails: Submitted[], now = start): Promise<string[]> =>
  (await acceptEach(db, emails, now, [])).map((verdict) =>
    verdict.tag === "limited" ? `limited by ${verdict.by}` : verdict.tag,
  );

describe("a tenant's emails per day", () => {
  const limits = { own: 3, all: null };

  it("are accepted up to the limit, within one request and over several", async () => {
    expect(await accept([email(limits), email(limits)])).toEqual(["accepted", "accepted"]);
    expect(await accept([email(limits), email(limits)])).toEqual(["accepted", "limited by own"]);
    expect(await accept([email(limits)])).toEqual(["limited by own"]);
    expect(await rows("emails")).toBe(3);
    expect(await rows("email_recipients WHERE email_id LIKE 'limited-%'")).toBe(
      await rows("email_events WHERE email_id LIKE 'limited-%'"),
    );
  });

  it("are those of a day in UTC", async () => {
    const four = () => [1, 2, 3, 4].map(() => email(limits));
    expect(await accept(four(), start + DAY_MS - 1)).toContain("limited by own");
    expect(await accept(four().slice(1), start + DAY_MS)).not.toContain("limited by own");
  });

  it("leave those of others alone", async () => {
    await accept([1, 2, 3].map(() => email(limits)));
    expect(await accept([email(limits, { tenant: "user:b" })])).toEqual(["accepted"]);
  });

  it("do not count what is suppressed or a repeat, and those come before the limit", async () => {
    await db
      .prepare(
        `INSERT INTO suppressions (address, scope, reason, created_at)
         VALUES ('no@example.com', 'all', 'manual', 1)`,
      )
      .run();
    const suppressed = () => email(limits, { to: "no@example.com" });
    const repeat = () => email(limits, { key: keyed("k") });
    const all = [suppressed(), suppressed(), repeat(), email(limits), email(limits)];
    expect(await accept(all)).toEqual([
      "suppressed",
      "suppressed",
      "accepted",
      "accepted",
      "accepted",
    ]);
    expect(await accept([repeat(), suppressed(), email(limits)])).toEqual([
      "replayed",
      "suppressed",
      "limited by own",
    ]);
  });

  it("leave the key of a refused email free: it is accepted the next day", async () => {
    await accept([1, 2, 3].map(() => email(limits)));
    expect(await accept([email(limits, { key: keyed("later") })])).toEqual(["limited by own"]);
    expect(await rows("idempotency_keys")).toBe(0);
    const again = [email(limits, { key: keyed("later") })];
    expect(await accept(again, start + DAY_MS)).toEqual(["accepted"]);
  });

  it("are read again as they were answered, when the answer was lost", async () => {
    const emails = [1, 2, 3, 4].map(() => email(limits));
    const answered = await acceptEach(db, emails, start, []);
    expect(await rereadVerdicts(db, emails, start)).toEqual(answered);
  });
});

describe("all emails per day", () => {
  it("are limited together, beside the tenants' own limits", async () => {
    const limits = { own: 3, all: 4 };
    const of = (tenant: string) => email(limits, { tenant });
    expect(await accept([of("user:a"), of("user:a"), of("user:a")])).not.toContain("limited");
    expect(await accept([of("user:b"), of("user:b")])).toEqual(["accepted", "limited by all"]);
    expect(await accept([of("user:a")])).toEqual(["limited by own"]);
  });

  it("cost nothing where no limit is set", async () => {
    await accept([email(null)]);
    expect(await rows("email_days")).toBe(0);
  });
});

describe("POST /api/emails", () => {
  const body = { to: "ada@example.com", subject: "Hi", text: "Hi" };
  const mailer = async (tier: "pro" | "enterprise") => {
    const { userId, token } = await signUpAs(tier);
    await call("PATCH", `/api/users/${userId}`, { scopes: ["emails:send"] });
    return { token, userId };
  };
  const limited = callWith({ EMAIL_MAX_PER_DAY_BY_TIER: "1,2,0" });

  it("answers 429 with the seconds until the next day, once a user's tier has sent its emails", async () => {
    const { token } = await mailer("pro");
    const sent = { token };
    expect((await limited("POST", "/api/emails", body, sent)).status).toBe(202);
    expect((await limited("POST", "/api/emails", body, sent)).status).toBe(202);
    const third = await limited("POST", "/api/emails", body, sent);
    expect(third).toMatchObject({ status: 429, body: { type: /daily-limit$/ } });
    expect(Number(third.headers.get("Retry-After"))).toBeLessThanOrEqual(86_400);
    const batch = await limited("POST", "/api/emails/batch", { emails: [body] }, sent);
    expect(batch.body).toMatchObject({ accepted: 0, items: [{ error: { status: 429 } }] });
  });

  it("limits neither the operator nor a tier without a limit", async () => {
    const { token } = await mailer("enterprise");
    const sent = { token };
    for (let n = 0; n < 3; n += 1) {
      expect((await limited("POST", "/api/emails", body, sent)).status).toBe(202);
      expect((await limited("POST", "/api/emails", body)).status).toBe(202);
    }
  });

  it("neither counts nor limits the emails of a test key", async () => {
    const { token, userId } = await mailer("pro");
    const made = { name: "CI", test: true, scopes: ["emails:send"] };
    const { apiKey } = (await call("POST", `/api/users/${userId}/api-keys`, made, { token })).body;
    const send = async (key: string) =>
      (await limited("POST", "/api/emails", body, { token: key })).status;
    for (let n = 0; n < 3; n += 1) expect(await send(apiKey)).toBe(202);
    const batch = { emails: [body, body, body] };
    const all = await limited("POST", "/api/emails/batch", batch, { token: apiKey });
    expect(all.body).toMatchObject({ accepted: 3 });
    expect(await rows("email_days")).toBe(0);
    for (const status of [202, 202, 429]) expect(await send(token)).toBe(status);
    expect(await send(apiKey)).toBe(202);
  });

  it("names a setting that is wrong", async () => {
    const wrong = callWith({ EMAIL_MAX_PER_DAY_BY_TIER: "1,2" });
    expect((await wrong("POST", "/api/emails", body)).status).toBe(503);
    expect((await call("POST", "/api/emails", body)).status).toBe(202);
  });
});
