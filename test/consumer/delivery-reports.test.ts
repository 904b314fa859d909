import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeEach, describe, expect, inject, it, vi } from "vitest";
import { signedReturnPath } from "../../shared/email/return-path.ts";
import { counters } from "../../shared/telemetry/counters.ts";
import { seriesOf } from "../../shared/telemetry/rules/series.ts";
import worker from "../../workers/consumer/index.ts";
import {
  automaticReply,
  forms,
  deliveryReport,
  streamOf,
  type FormName,
  type Stated,
} from "../support/delivery-reports.ts";
import { emailRow, queueEmail } from "../support/emails.ts";

/** Delivery reports, from Email Routing to D1. */

const db = env.DB;
const now = Date.now();
const DAY_MS = 86_400_000;
const secret = "s".repeat(32);
const settings = { domain: "bounces.example.com", secrets: [secret] };
const bounces = { BOUNCE_DOMAIN: settings.domain, BOUNCE_SECRET: secret };

beforeEach(async () => {
  await db.batch(
    ["emails", "email_recipients", "suppressions", "webhook_messages"].map((table) =>
      db.prepare(`DELETE FROM ${table}`),
    ),
  );
});

/** An email that the SMTP server has taken. */
async function sent(addresses = ["ada@example.com"], status = "sent"): Promise<string> {
  const recipients = addresses.map((address) => ({ kind: "to" as const, name: "", address }));
  const id = crypto.randomUUID();
  await queueEmail(db, now, { id, to: addresses[0] ?? "", recipients });
  await db
    .prepare("UPDATE emails SET status = ?2, transport = 'smtp', sent_at = ?3 WHERE id = ?1")
    .bind(id, status, now)
    .run();
  return id;
}

const pathOf = (id: string, change: { generation?: number; part?: number; at?: number } = {}) => {
  const { at = now, generation = 1, part = 1 } = change;
  return signedReturnPath(settings, { id, generation, part }, at) ?? "";
};

/** As Email Routing hands it over. Nothing may be rejected: that would bounce again. */
async function receive(to: string, text: string, changes: object = bounces): Promise<void> {
  const setReject = vi.fn<(reason: string) => void>();
  const message = {
    from: "",
    to,
    raw: streamOf(text),
    rawSize: text.length,
    headers: new Headers(),
    setReject,
  };
  await worker.email(message as unknown as ForwardableEmailMessage, { ...env, ...changes });
  expect(setReject).not.toHaveBeenCalled();
}

const bounce = async (id: string, ...stated: Stated[]) =>
  await receive(pathOf(id), deliveryReport("postfix", pathOf(id), stated));

const counted = (kind: string): number =>
  counters.totals()[seriesOf("luna_email_feedback_total", { transport: "smtp", kind })] ?? 0;
const suppressed = async () =>
  (await db.prepare("SELECT address FROM suppressions").all<{ address: string }>()).results.map(
    ({ address }) => address,
  );
const statesOf = async (id: string) =>
  (
    await db
      .prepare("SELECT status FROM email_recipients WHERE email_id = ? ORDER BY n")
      .bind(id)
      .all<{ status: string | null }>()
  ).results.map(({ status }) => status);

describe("a delivery report to the Return-Path of an email", () => {
  it.each(Object.keys(forms) as FormName[])("of %s makes it bounced", async (name) => {
    const id = await sent();
    await receive(pathOf(id), deliveryReport(name, pathOf(id), [{ to: "ada@example.com" }]));
    expect(await emailRow(db, id)).toMatchObject({ status: "bounced" });
    expect(await suppressed()).toEqual(["ada@example.com"]);
    const event = await db
      .prepare("SELECT type, detail FROM email_events WHERE email_id = ? ORDER BY n DESC LIMIT 1")
      .bind(id)
      .first<{ type: string; detail: string }>();
    expect(event?.type).toBe("bounced");
    expect(JSON.parse(event?.detail ?? "")).toEqual({
      transport: "smtp",
      phase: "DSN",
      code: "failed",
      enhancedCode: "5.1.1",
      text: "550 5.1.1 The email account that you tried to reach does not exist.",
    });
  });

  it("of a delay ends nothing: the email may still be delivered", async () => {
    const id = await sent();
    await bounce(id, { to: "ada@example.com", action: "delayed", status: "4.4.1" });
    expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
    await bounce(id, { to: "ada@example.com", action: "delivered", status: "2.0.0" });
    expect(await emailRow(db, id)).toMatchObject({ status: "delivered" });
    expect(await suppressed()).toEqual([]);
  });

  it.each([["5.2.2"], ["5.7.1"], ["4.4.7"]])(
    "of a failure with %s makes it bounced, and suppresses nobody",
    async (status) => {
      const id = await sent();
      await bounce(id, { to: "ada@example.com", status, diagnostic: "no" });
      expect(await emailRow(db, id)).toMatchObject({ status: "bounced" });
      expect(await suppressed()).toEqual([]);
    },
  );

  it("about one of several recipients changes only that one", async () => {
    const id = await sent(["ada@example.com", "bob@example.com", "eve@example.com"]);
    await bounce(id, { to: "bob@other.example", original: "Bob@example.com" });
    expect(await statesOf(id)).toEqual([null, "bounced", null]);
    expect(await suppressed()).toEqual(["bob@example.com"]);
    await bounce(id, { to: "someone@example.com" });
    expect(await statesOf(id)).toEqual([null, "bounced", null]);
  });

  it("shows that an email whose outcome is unknown has left", async () => {
    const id = await sent(["ada@example.com"], "unknown");
    await bounce(id, { to: "ada@example.com", action: "relayed", status: "2.0.0" });
    expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
  });

  it("about addresses that the email did not go to writes nothing, however many", async () => {
    const id = await sent();
    const rows = async () =>
      await db
        .prepare(
          `SELECT (SELECT COUNT(*) FROM webhook_messages) AS remembered,
             (SELECT COUNT(*) FROM email_events WHERE email_id = ?) AS events`,
        )
        .bind(id)
        .first();
    const before = await rows();
    const others = Array.from({ length: 3 }, (_, n) => ({ to: `eve${n}@example.com` }));
    await bounce(id, ...others.map((one) => ({ ...one, action: "delayed" })));
    expect(await rows()).toEqual(before);
    // Its only recipient forwards emails: that one bounced, once.
    await bounce(id, ...others);
    expect(await emailRow(db, id)).toMatchObject({ status: "bounced" });
    expect(await rows()).toEqual({ remembered: 1, events: Number(before?.["events"]) + 1 });
    expect(await suppressed()).toEqual([]);
  });

  it("that comes again, with another Message-ID, changes nothing more", async () => {
    const id = await sent();
    const before = counted("repeated");
    const text = deliveryReport("gmail", pathOf(id), [
      { to: "ada@example.com", action: "delayed" },
    ]);
    await receive(pathOf(id), text);
    await receive(pathOf(id), text.replace("656a.0500", "656b.0501"));
    expect(counted("repeated")).toBe(before + 1);
    const events = await db
      .prepare("SELECT 1 FROM email_events WHERE email_id = ? AND type = 'transient-bounce'")
      .bind(id)
      .all();
    expect(events.results).toHaveLength(1);
  });

  it("of a generation that was replayed since suppresses, and changes no status", async () => {
    const id = await sent();
    await db.prepare("UPDATE emails SET generation = 2 WHERE id = ?").bind(id).run();
    await bounce(id, { to: "ada@example.com" });
    expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
    expect(await suppressed()).toEqual(["ada@example.com"]);
  });

  it("is not accepted while D1 does not answer: the server brings it again", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const id = await sent();
    const broken = new Proxy(db, {
      get: () => () => {
        throw new Error("no database");
      },
    });
    const text = deliveryReport("postfix", pathOf(id), [{ to: "ada@example.com" }]);
    const refused = receive(pathOf(id), text, { ...bounces, DB: broken });
    await expect(refused).rejects.toThrow("was not taken");
    vi.restoreAllMocks();
    await receive(pathOf(id), text);
    expect(await emailRow(db, id)).toMatchObject({ status: "bounced" });
  });
});

describe("what changes nothing, is counted and does not bounce again", () => {
  const stated = [{ to: "ada@example.com" }];
  const otherSecret = { ...settings, secrets: ["t".repeat(32)] };

  it.each<[string, string, (id: string) => string]>([
    [
      "a forged signature",
      "unsigned",
      (id) => signedReturnPath(otherSecret, { id, generation: 1, part: 1 }, now) ?? "",
    ],
    [
      "another email's signature",
      "unsigned",
      (id) => pathOf(id).replace(/\+.{20}/, pathOf(crypto.randomUUID()).slice(6, 27)),
    ],
    ["an address that was never signed", "unsigned", () => "postmaster@bounces.example.com"],
    ["an expired signature", "expired", (id) => pathOf(id, { at: now - 31 * DAY_MS })],
    ["the id of no email", "unknown_email", () => pathOf(crypto.randomUUID())],
  ])("a delivery report with %s", async (_, kind, path) => {
    const id = await sent();
    const before = counted(kind);
    await receive(path(id), deliveryReport("postfix", path(id), stated));
    expect(counted(kind)).toBe(before + 1);
    expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
    expect(await suppressed()).toEqual([]);
  });

  it.each([
    ["the automatic reply of a person", automaticReply],
    [
      "a report that cannot be read",
      (to: string) => deliveryReport("exim", to, [{ to: "ada@example.com", action: "?" }]),
    ],
    ["bytes of no email", () => "\u0000\u0001 --- ::: \r\n\r\n\r\n"],
    ["nothing", () => ""],
  ])("%s to a signed address", async (_, text) => {
    const id = await sent();
    const before = counted("no_report");
    await receive(pathOf(id), text(pathOf(id)));
    expect(counted("no_report")).toBe(before + 1);
    expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
  });

  it("what nobody signed, without a call of D1", async () => {
    const DB = new Proxy(db, {
      get: () => () => {
        throw new Error("D1 was called");
      },
    });
    const to = "postmaster@bounces.example.com";
    await receive(to, deliveryReport("postfix", to, stated), { ...bounces, DB });
    expect(counted("unsigned")).toBeGreaterThan(0);
  });

  it("a delivery report where no secret is set", async () => {
    const id = await sent();
    const text = deliveryReport("postfix", pathOf(id), stated);
    await receive(pathOf(id), text, { BOUNCE_DOMAIN: "", BOUNCE_SECRET: "" });
    expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
  });
});

it("forged, repeated, late and reordered delivery reports end in the gravest that was signed", async () => {
  const order = ["delivered", "failed"] as const;
  const arrival = fc.record({
    action: fc.constantFrom(...order, "delayed", "relayed"),
    to: fc.integer({ min: 0, max: 2 }),
    forged: fc.boolean(),
    twice: fc.boolean(),
    form: fc.constantFrom<FormName>("postfix", "gmail", "exchange"),
  });
  const addresses = ["ada@example.com", "bob@example.com", "eve@example.com"];
  await fc.assert(
    fc.asyncProperty(fc.array(arrival, { minLength: 1, maxLength: 6 }), async (arrivals) => {
      const id = await sent(addresses);
      for (const { action, to, forged, twice, form } of arrivals) {
        const path = forged
          ? (signedReturnPath(
              { ...settings, secrets: ["t".repeat(32)] },
              { id, generation: 1, part: 1 },
              now,
            ) ?? "")
          : pathOf(id);
        const text = deliveryReport(form, path, [{ to: addresses[to] ?? "", action }]);
        for (let n = twice ? 2 : 1; n > 0; n -= 1) await receive(path, text);
      }
      const expected = addresses.map((_, place) => {
        const real = arrivals.filter(({ to, forged }) => to === place && !forged);
        const last = order.findLast((one) => real.some(({ action }) => action === one));
        return last === undefined ? null : last === "failed" ? "bounced" : last;
      });
      expect(await statesOf(id)).toEqual(expected);
    }),
    { numRuns: 20, seed: inject("seed") },
  );
});
