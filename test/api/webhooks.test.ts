import { env } from "cloudflare:workers";
import { Webhook } from "standardwebhooks";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { eventTypes, emailRow, queueEmail } from "../support/emails.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { call, callWith, deadDatabase, rowsInAll } from "./support.ts";

/** The secret in vitest.config.ts. */
const signer = new Webhook(`whsec_${btoa("a secret of thirty-two characters")}`);
const path = "/api/webhooks/resend";
const db = env.DB;
let messages = 0;

beforeEach(async () => {
  await db.batch(
    ["emails", "email_events", "dead_letters", "suppressions", "webhook_messages"].map((table) =>
      db.prepare(`DELETE FROM ${table}`),
    ),
  );
});

type Event = { type: string; data: Record<string, unknown> };
type Signing = { id?: string; at?: Date; prefix?: "svix" | "webhook"; by?: Webhook; body?: string };

/** As Resend sends it, through Svix. */
async function deliver(
  event: Event,
  { id, at = new Date(), prefix = "svix", by = signer, body }: Signing = {},
  caller = call,
) {
  const payload = JSON.stringify({ created_at: at.toISOString(), ...event });
  const messageId = id ?? `msg_${(messages += 1)}`;
  const headers = {
    [`${prefix}-id`]: messageId,
    [`${prefix}-timestamp`]: String(Math.floor(at.getTime() / 1_000)),
    [`${prefix}-signature`]: by.sign(messageId, at, payload),
  };
  return await caller("POST", path, body ?? payload, { token: null, headers });
}

const about = (
  id: string,
  type: string,
  data: Record<string, unknown> = {},
  generation = 1,
): Event => ({
  type: `email.${type}`,
  data: {
    email_id: `re-${id}`,
    to: ["ada@example.com"],
    tags: { luna_email: `${id}_${generation}` },
    ...data,
  },
});
const bounce = (kind: string) => ({
  bounce: { type: kind, subType: "General", message: "550 5.1.1 no such user" },
});

async function emailThat(is: string): Promise<string> {
  const id = await queueEmail(db, Date.now());
  await db
    .prepare("UPDATE emails SET status = ?2, transport = 'resend', attempts = 1 WHERE id = ?1")
    .bind(id, is)
    .run();
  return id;
}
const variableIn = (line: unknown): unknown =>
  (JSON.parse(String(line)) as { variable?: string }).variable;
const suppressed = async () =>
  (await db.prepare("SELECT address, scope, reason FROM suppressions").all()).results;

describe("feedback of a provider", () => {
  it("makes a sent email delivered, and records it in its timeline", async () => {
    const id = await emailThat("sent");
    expect(await deliver(about(id, "delivered"))).toMatchObject({
      status: 200,
      body: { taken: "applied", id, status: "delivered", changed: true },
    });
    const { body } = await call("GET", `/api/emails/${id}`);
    expect(body.status).toBe("delivered");
    expect(body.events.at(-1)).toMatchObject({
      type: "delivered",
      detail: { transport: "resend", code: "email.delivered", providerId: `re-${id}` },
    });
    expect(await suppressed()).toEqual([]);
  });

  it("resolves an unknown or pinned email", async () => {
    for (const is of ["unknown", "pinned", "claimed", "sending"]) {
      const id = await emailThat(is);
      expect((await deliver(about(id, "sent"))).body.status).toBe("sent");
      expect(await emailRow(db, id)).toMatchObject({ status: "sent", lease_token: null });
    }
  });

  it("of a hard bounce and of a complaint suppresses the recipient", async () => {
    const id = await emailThat("sent");
    expect((await deliver(about(id, "bounced", bounce("Permanent")))).body.status).toBe("bounced");
    expect(await suppressed()).toEqual([
      { address: "ada@example.com", scope: "all", reason: "bounce" },
    ]);
    await db.prepare("DELETE FROM suppressions").run();
    const other = await emailThat("delivered");
    expect((await deliver(about(other, "complained"))).body.status).toBe("complained");
    expect(await suppressed()).toEqual([
      { address: "ada@example.com", scope: "all", reason: "complaint" },
    ]);
    const refused = await call("POST", "/api/emails", {
      to: "ada@example.com",
      subject: "Hi",
      text: "Hi",
    });
    expect(refused.body.type).toBe("urn:luna:problem:suppressed");
  });

  it("of a transient bounce ends nothing and suppresses no address, and stands in the timeline", async () => {
    const id = await emailThat("sent");
    const away = about(id, "bounced", bounce("Transient"));
    expect((await deliver(away)).body).toMatchObject({ status: "sent", changed: false });
    expect((await deliver(about(id, "delivered"))).body.status).toBe("delivered");
    // An out-of-office answer comes after the delivery.
    expect((await deliver(away, { id: "away" })).body.status).toBe("delivered");
    expect((await deliver(away, { id: "away" })).body).toEqual({ taken: "repeated" });
    const { events } = (await call("GET", `/api/emails/${id}`)).body;
    expect(events.map(({ type }: { type: string }) => type)).toEqual([
      "queued",
      "transient-bounce",
      "delivered",
      "transient-bounce",
    ]);
    expect(events.at(-1).detail.text).toContain("no such user");
    expect(await suppressed()).toEqual([]);
  });

  it("of a transient bounce proves that an unknown email has left", async () => {
    const id = await emailThat("unknown");
    expect((await deliver(about(id, "bounced", bounce("Transient")))).body.status).toBe("sent");
  });

  it("of a complaint after a bounce stands in the timeline", async () => {
    const id = await emailThat("sent");
    await deliver(about(id, "bounced", bounce("Permanent")));
    expect((await deliver(about(id, "complained"))).body.status).toBe("complained");
    expect((await eventTypes(db, id)).slice(-2)).toEqual(["bounced", "complained"]);
  });

  it("that the provider suppresses the address suppresses it here, too", async () => {
    const id = await emailThat("sent");
    expect((await deliver(about(id, "suppressed"))).body.status).toBe("bounced");
    expect(await suppressed()).toMatchObject([{ address: "ada@example.com", reason: "bounce" }]);
  });

  it("that comes late or in the wrong order changes nothing", async () => {
    const id = await emailThat("sent");
    await deliver(about(id, "complained"));
    for (const type of ["sent", "delivered", "bounced"]) {
      expect((await deliver(about(id, type))).body).toEqual({
        taken: "applied",
        id,
        status: "complained",
        changed: false,
      });
    }
    expect((await eventTypes(db, id)).filter((type) => type !== "queued")).toEqual(["complained"]);
  });

  it("of an earlier generation changes nothing, but a complaint still counts", async () => {
    const id = await emailThat("queued");
    await db
      .prepare("UPDATE emails SET transport = NULL, generation = 2 WHERE id = ?")
      .bind(id)
      .run();
    expect((await deliver(about(id, "delivered"))).body).toMatchObject({
      status: "queued",
      changed: false,
    });
    expect((await deliver(about(id, "complained"))).body).toMatchObject({
      status: "queued",
      changed: false,
    });
    expect(await suppressed()).toHaveLength(1);
  });

  it("that the provider failed makes an unknown email dead and a sent one bounced", async () => {
    const unknown = await emailThat("unknown");
    expect(
      (await deliver(about(unknown, "failed", { failed: { reason: "quota" } }))).body.status,
    ).toBe("dead");
    expect(await emailRow(db, unknown)).toMatchObject({
      status: "dead",
      dead_reason: "permanent",
      buried_at: null,
    });
    const sent = await emailThat("sent");
    expect((await deliver(about(sent, "failed"))).body.status).toBe("bounced");
  });

  it("that a dead email has arrived deletes its dead letter", async () => {
    const id = await emailThat("dead");
    await db
      .prepare(
        `INSERT INTO dead_letters
           (id, kind, generation, reason, attempts, buried_at, expires_at)
         VALUES (?1, 'email', 1, 'exhausted', 4, 1, 2)`,
      )
      .bind(id)
      .run();
    expect((await deliver(about(id, "delivered"))).body.status).toBe("delivered");
    expect(await db.prepare("SELECT COUNT(*) AS n FROM dead_letters").first("n")).toBe(0);
  });

  it("of an email that another transport has now changes nothing", async () => {
    const id = await emailThat("sending");
    await db.prepare("UPDATE emails SET transport = 'smtp' WHERE id = ?").bind(id).run();
    expect((await deliver(about(id, "failed"))).body).toMatchObject({
      status: "sending",
      changed: false,
    });
  });

  it.each([
    ["tags that are null", { tags: null }],
    ["a part that is null", { bounce: { type: "Permanent", subType: null, message: null } }],
    ["a long tag of another sender", { tags: { other: "y".repeat(2_000) } }],
  ])("with %s still is a bounce that suppresses", async (_, data) => {
    const id = await emailThat("sent");
    await db.prepare("UPDATE emails SET provider_id = ?2 WHERE id = ?1").bind(id, `re-${id}`).run();
    expect(
      (await deliver(about(id, "bounced", { ...bounce("Permanent"), ...data }))).body.status,
    ).toBe("bounced");
    expect(await suppressed()).toHaveLength(1);
  });

  it("names its email by our tag, as a list or as an object, or by the provider's id", async () => {
    const id = await emailThat("sent");
    expect(
      (await deliver(about(id, "delivered", { tags: [{ name: "luna_email", value: `${id}_1` }] })))
        .body.status,
    ).toBe("delivered");
    const other = await emailThat("sent");
    await db.prepare("UPDATE emails SET provider_id = 're-77' WHERE id = ?").bind(other).run();
    expect(
      (await deliver({ type: "email.delivered", data: { email_id: "re-77" } })).body,
    ).toMatchObject({
      id: other,
      status: "delivered",
    });
  });

  it.each([
    ["about an email that is not ours", about("no-such-email", "delivered"), "unknown-mail"],
    [
      "about an unknown id",
      { type: "email.delivered", data: { email_id: "re-none" } },
      "unknown-mail",
    ],
    ["that an email was opened", about("m", "opened"), "ignored"],
    ["about something else", { type: "domain.created", data: { id: "d" } }, "ignored"],
    ["of another shape", { type: "email.bounced", data: { email_id: 5 } }, "ignored"],
  ])("%s is taken, or it would come again, and changes nothing", async (_, event, taken) => {
    const before = await rowsInAll();
    expect(await deliver(event)).toMatchObject({ status: 200, body: { taken } });
    expect(await rowsInAll()).toEqual(before);
  });
});

describe("a message that comes again", () => {
  it("changes nothing in any state of the email", async () => {
    const id = await emailThat("sent");
    await deliver(about(id, "complained"), { id: "msg_again" });
    await db.prepare("DELETE FROM suppressions").run();
    expect((await deliver(about(id, "complained"), { id: "msg_again" })).body).toEqual({
      taken: "repeated",
    });
    expect(await suppressed()).toEqual([]);
  });

  it("at the same moment has one effect", async () => {
    const id = await emailThat("sent");
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        deliver(about(id, "bounced", bounce("Permanent")), { id: "msg_race" }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(answers.filter(({ body }) => body.changed)).toHaveLength(1);
    expect(await eventTypes(db, id)).toEqual(["queued", "bounced"]);
  });

  it("because D1 lost the reply is known by then", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const id = await emailThat("sent");
    const lossy = callWith({ DB: losingReplies(db, 2) });
    expect((await deliver(about(id, "delivered"), { id: "msg_lost" }, lossy)).status).toBe(503);
    expect(
      (await deliver(about(id, "delivered"), { id: "msg_lost" })).body.status ?? "repeated",
    ).toMatch(/delivered|repeated/);
    expect((await emailRow(db, id)).status).toBe("delivered");
    vi.restoreAllMocks();
  });

  it("is asked for with 503 while D1 is down", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    expect(
      (await deliver(about("m", "delivered"), {}, callWith({ DB: deadDatabase }))).status,
    ).toBe(503);
    vi.restoreAllMocks();
  });
});

describe("a message that is not signed", () => {
  const event = about("m", "delivered");
  const old = (minutes: number) => new Date(Date.now() + minutes * 60_000);
  it.each<[string, Signing]>([
    ["with our secret", { by: new Webhook(`whsec_${btoa("another secret of thirty-two chars")}`) }],
    ["as it arrived", { body: JSON.stringify({ ...event, type: "email.bounced" }) }],
    ["just now, but six minutes ago: a replay", { at: old(-6) }],
    ["now, but six minutes ahead", { at: old(6) }],
    ["with a short id", { id: "x".repeat(300) }],
  ])("%s is refused, and nothing is written", async (_, signing) => {
    const id = await emailThat("sent");
    const before = await rowsInAll();
    const refused = await deliver(about(id, "delivered"), {
      ...signing,
      ...(signing.body && { body: signing.body }),
    });
    expect(refused).toMatchObject({
      status: 400,
      body: { type: "urn:luna:problem:bad-signature" },
    });
    expect(await rowsInAll()).toEqual(before);
    expect((await emailRow(db, id)).status).toBe("sent");
  });

  it("is refused if unsigned, too large, or of an unknown provider", async () => {
    expect((await call("POST", path, event, { token: null })).status).toBe(400);
    expect((await deliver(event, { body: "x".repeat(70_000) })).status).toBe(413);
    expect((await call("POST", "/api/webhooks/sendgrid", event, { token: null })).status).toBe(404);
  });

  it("may also come under the headers of the standard itself", async () => {
    const id = await emailThat("sent");
    expect((await deliver(about(id, "delivered"), { prefix: "webhook" })).status).toBe(200);
  });

  it.each([
    ["missing", "", []],
    ["not valid, which the log names", "a secret", ["WEBHOOK_SECRET_RESEND"]],
  ])("is answered like an unknown provider while the secret is %s", async (_, secret, logged) => {
    const error = vi.spyOn(console, "error").mockReturnValue();
    const unknown = await call("POST", "/api/webhooks/sendgrid", event, { token: null });
    const answer = await deliver(event, {}, callWith({ WEBHOOK_SECRET_RESEND: secret }));
    expect(answer.status).toBe(404);
    expect(answer.body).toEqual(unknown.body);
    expect(error.mock.calls.map(([line]) => variableIn(line))).toEqual(logged);
    error.mockRestore();
  });
});

describe("the provider's list of suppressions", () => {
  const change = (is: "added" | "removed", origin: string, email = "Ada@Example.com"): Event => ({
    type: `suppression.${is}`,
    data: { id: "s-1", email, origin, source_id: null, created_at: new Date().toISOString() },
  });
  const hour = 3_600_000;
  const mirrored = { status: 200, body: { taken: "mirrored" } };

  it.each(["bounce", "complaint", "manual"])(
    "suppresses an address here for %s, and lifts that again",
    async (origin) => {
      expect(await deliver(change("added", origin))).toMatchObject(mirrored);
      expect(await suppressed()).toEqual([
        { address: "ada@example.com", scope: "all", reason: origin },
      ]);
      expect(await deliver(change("removed", origin))).toMatchObject(mirrored);
      expect(await suppressed()).toEqual([]);
    },
  );

  it("lifts no suppression that a person made here, nor one that came later", async () => {
    const add = (reason: string, at: number) =>
      db
        .prepare(
          `INSERT OR REPLACE INTO suppressions (address, scope, reason, created_at)
           VALUES ('ada@example.com', 'all', ?, ?)`,
        )
        .bind(reason, at)
        .run();
    for (const [reason, at] of [
      ["manual", 1],
      ["unsubscribe", 1],
      ["bounce", Date.now() + hour],
    ] as const) {
      await add(reason, at);
      expect(await deliver(change("removed", "bounce"))).toMatchObject(mirrored);
      expect(await suppressed()).toMatchObject([{ reason }]);
    }
  });

  it("is taken over once: a repeat changes nothing", async () => {
    await deliver(change("added", "bounce"), { id: "added-1" });
    await db.prepare("DELETE FROM suppressions").run();
    await deliver(change("added", "bounce"), { id: "added-1" });
    expect(await suppressed()).toEqual([]);
  });

  it("with something that is no address is ignored", async () => {
    const event = change("added", "bounce", "a\r\nb@example.com");
    expect((await deliver(event)).body).toEqual({ taken: "ignored" });
  });
});
