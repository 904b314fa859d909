import { env, exports } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import type { QueueMessage } from "../../shared/email/queue-messages.ts";
import { fakeQueue } from "../support/emails.ts";
import { eventually } from "../support/eventually.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { runTask } from "../support/run-task.ts";
import { call, callWith, deadDatabase, rows, rowsInAll } from "./support.ts";

const email = { to: "ada@example.com", subject: "Hello", text: "Hi" };
let next = 0;

async function sender(scopes: string[]): Promise<{ token: string; userId: string }> {
  next += 1;
  const userId = `sender-${next}`;
  const { body } = await call("POST", "/api/users", { userId, email: `${userId}@example.com` });
  if (scopes.length > 0) await call("PATCH", `/api/users/${userId}`, { scopes });
  return { token: String(body.apiKey), userId };
}

describe("POST /api/emails with sendAt", () => {
  const at = (ms: number) => new Date(Date.now() + ms).toISOString();

  it("is due at its time and notifies at most twelve hours ahead", async () => {
    const notifications = fakeQueue();
    const sendAt = at(20 * 86_400_000);
    const { body } = await callWith({ EMAIL_QUEUE: notifications.queue })("POST", "/api/emails", {
      ...email,
      sendAt,
    });
    expect((await call("GET", `/api/emails/${body.id}`)).body).toMatchObject({
      status: "scheduled",
      dueAt: sendAt,
    });
    expect(notifications.sent).toMatchObject([{ delaySeconds: 43_200 }]);
    const row = await env.DB.prepare("SELECT due_at, ring_after FROM emails WHERE id = ?")
      .bind(body.id)
      .first<{ due_at: number; ring_after: number }>();
    expect(row?.ring_after).toBeGreaterThan(row?.due_at ?? Number.POSITIVE_INFINITY);
  });

  it("is scheduled, and a repeat under its Idempotency-Key gets the same answer", async () => {
    const send = () =>
      call(
        "POST",
        "/api/emails",
        { ...email, sendAt: "2026-12-20T08:00:00Z" },
        { headers: { "Idempotency-Key": "later-1" } },
      );
    vi.setSystemTime("2026-12-01T08:00:00Z");
    const first = await send();
    expect(first).toMatchObject({ status: 202, body: { status: "scheduled" } });
    await env.DB.prepare("UPDATE emails SET status = 'sent' WHERE id = ?")
      .bind(first.body.id)
      .run();
    const again = await send();
    expect(again.body).toEqual(first.body);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    vi.useRealTimers();
  });

  it("in the past means now", async () => {
    const before = Date.now();
    const { body } = await call("POST", "/api/emails", {
      ...email,
      sendAt: "2020-01-01T00:00:00Z",
    });
    expect(
      Date.parse((await call("GET", `/api/emails/${body.id}`)).body.createdAt),
    ).toBeGreaterThanOrEqual(before);
    expect(
      await env.DB.prepare("SELECT due_at FROM emails WHERE id = ?").bind(body.id).first("due_at"),
    ).toBeGreaterThanOrEqual(before);
  });

  it.each([[at(31 * 86_400_000)], ["tomorrow"], [42], ["2026-11-31T00:00:00Z"]])(
    "is refused by name when it is %s",
    async (sendAt) => {
      const before = await rowsInAll();
      expect((await call("POST", "/api/emails", { ...email, sendAt })).body.errors).toMatchObject([
        { path: "sendAt" },
      ]);
      expect(await rowsInAll()).toEqual(before);
    },
  );
});

describe("POST /api/emails with attachments, tags and a category", () => {
  const attachment = { filename: "a.txt", contentType: "text/plain", content: "SGk=" };

  it("keeps them", async () => {
    const { status, body } = await call("POST", "/api/emails", {
      ...email,
      attachments: [attachment],
      tags: ["receipt", "eu:1"],
      category: "notification",
    });
    expect(status).toBe(202);
    expect((await call("GET", `/api/emails/${body.id}`)).body).toMatchObject({
      tags: ["receipt", "eu:1"],
      category: "notification",
    });
    const stored = await env.DB.prepare("SELECT attachments FROM email_contents WHERE email_id = ?")
      .bind(body.id)
      .first<string>("attachments");
    expect(JSON.parse(stored ?? "null")).toEqual([attachment]);
  });

  it("takes types with parameters, base64 in lines, empty files and an empty text", async () => {
    const attachments = [
      {
        ...attachment,
        contentType: 'text/calendar; method=REQUEST; x="a; b"',
        content: "SG\nk=\n",
      },
      { ...attachment, content: "" },
    ];
    const html = "<p>Hi</p>";
    const { status, body } = await call("POST", "/api/emails", {
      ...email,
      html,
      text: "",
      attachments,
    });
    expect(status).toBe(202);
    const stored = await env.DB.prepare("SELECT * FROM email_contents WHERE email_id = ?")
      .bind(body.id)
      .first<{ html: string; text: string; attachments: string }>();
    expect(stored).toMatchObject({ html, text: "" });
    expect(JSON.parse(stored?.attachments ?? "null")).toEqual([
      { ...attachments[0], content: "SGk=" },
      attachments[1],
    ]);
    expect((await call("POST", "/api/emails", { ...email, text: "" })).body.errors).toMatchObject([
      { path: "text" },
    ]);
  });

  it.each([
    ["attachments.0.filename", { attachments: [{ ...attachment, filename: "a\r\nBcc: x@y.zz" }] }],
    ["attachments.0.filename", { attachments: [{ ...attachment, filename: "../a" }] }],
    ["attachments.0.filename", { attachments: [{ ...attachment, filename: "\u202egpj.exe" }] }],
    ["attachments.0.filename", { attachments: [{ ...attachment, filename: "=?UTF-8?Q?a?=" }] }],
    ...[
      "text",
      "text/plain; name=b.exe",
      "text/plain;\r\n x=y",
      'text/plain; a="\r\nBcc: x@y.zz"',
    ].map((contentType): [string, object] => [
      "attachments.0.contentType",
      { attachments: [{ ...attachment, contentType }] },
    ]),
    ["attachments.0.content", { attachments: [{ ...attachment, content: "not base64!" }] }],
    ["attachments.0.path", { attachments: [{ ...attachment, path: "/etc/passwd" }] }],
    ["attachments", { attachments: Array.from({ length: 21 }, () => attachment) }],
    ["tags.0", { tags: ["a b"] }],
    ["tags", { tags: Array.from({ length: 11 }, String) }],
    ["category", { category: "spam" }],
  ])("refuses what is wrong by the name of the field: %s", async (field, fields) => {
    const refused = await call("POST", "/api/emails", { ...email, ...fields });
    expect(refused.status).toBe(422);
    expect(refused.body.errors.map((error: { path: string }) => error.path)).toContain(field);
  });
});

describe("POST /api/emails with a template", () => {
  const receipt = {
    userId: "ada",
    amount: "EUR 29.00",
    plan: "pro",
    invoiceNumber: "2026-1",
    paidOn: "1 December 2026",
  };

  it("sends what the template makes of the data, stored as it was accepted", async () => {
    const { status, body } = await call("POST", "/api/emails", {
      to: email.to,
      template: "payment-success",
      data: receipt,
    });
    expect(status).toBe(202);
    expect((await call("GET", `/api/emails/${body.id}`)).body.subject).toBe(
      "Receipt 2026-1: EUR 29.00",
    );
    const row = await env.DB.prepare("SELECT html, text FROM email_contents WHERE email_id = ?")
      .bind(body.id)
      .first<{ html: string; text: string }>();
    expect(row?.text).toContain("Amount:   EUR 29.00");
    expect(row?.html).toContain("EUR 29.00");
  });

  it("is held to by an Idempotency-Key as it was asked for", async () => {
    const headers = { "Idempotency-Key": "receipt-2026-1" };
    const request = { to: email.to, template: "payment-success", data: receipt };
    const first = await call("POST", "/api/emails", request, { headers });
    expect((await call("POST", "/api/emails", request, { headers })).body).toEqual(first.body);
    const other = { ...request, data: { ...receipt, amount: "EUR 30.00" } };
    expect((await call("POST", "/api/emails", other, { headers })).body.type).toBe(
      "urn:luna:problem:idempotency-key-reused",
    );
  });

  it.each([
    [{ template: "no-such", data: {} }, "template"],
    [{ template: "payment-success", data: { ...receipt, amount: "" } }, "data.amount"],
    [{ template: "payment-success", data: { ...receipt, amonut: "x" } }, "data.amonut"],
    [{ template: "payment-success" }, "data.userId"],
    [{ template: "payment-success", data: receipt, subject: "Mine" }, "template"],
    [{ template: "payment-success", data: receipt, text: "Mine" }, "template"],
    [{ subject: "Hi", text: "Hi", data: {} }, "data"],
    [{ text: "Hi" }, "subject"],
    [{ subject: "Hi" }, "text"],
  ])("refuses %j, naming %s, and writes nothing", async (fields, field) => {
    const before = await rowsInAll();
    const refused = await call("POST", "/api/emails", { to: email.to, ...fields });
    expect(refused.status).toBe(422);
    expect(refused.body.errors.map((error: { path: string }) => error.path)).toContain(field);
    expect(await rowsInAll()).toEqual(before);
  });

  it("is previewed by the admin as HTML, text or JSON, in a page without scripts", async () => {
    const { items } = (await call("GET", "/api/admin/email/templates")).body;
    expect(items.map(({ name }: { name: string }) => name)).toEqual([
      "account-deleted",
      "address-change-requested",
      "address-changed",
      "address-confirmation",
      "address-in-use",
      "api-key-created",
      "api-key-revoked",
      "api-key-rotated",
      "cancellation",
      "enterprise-contact",
      "payment-success",
      "sender-unverified",
      "sender-verification",
      "team-invitation",
      "trial-expiry",
      "usage-report",
      "welcome",
    ]);
    const fetchRaw = (path: string) =>
      exports.default.fetch(
        new Request(`http://luna.test${path}`, {
          headers: { Authorization: `Bearer ${ADMIN_TOKEN}` },
        }),
      );
    for (const { name } of items) {
      const html = await fetchRaw(`/api/admin/email/templates/${name}/preview`);
      expect(html.headers.get("Content-Type")).toBe("text/html; charset=utf-8");
      expect(html.headers.get("Content-Security-Policy")).toContain("default-src 'none'");
      expect(await html.text()).toContain("<h1");
      const text = await fetchRaw(`/api/admin/email/templates/${name}/preview?format=text`);
      expect(text.headers.get("Content-Type")).toBe("text/plain; charset=utf-8");
      expect(
        Object.keys(
          (await call("GET", `/api/admin/email/templates/${name}/preview?format=json`)).body,
        ),
      ).toEqual(["subject", "html", "text", "fields"]);
    }
    expect((await call("GET", "/api/admin/email/templates/no-such/preview")).status).toBe(404);
    expect(
      (await call("GET", "/api/admin/email/templates/welcome/preview?format=pdf")).body.errors,
    ).toMatchObject([{ path: "format" }]);
    const { token } = await sender([]);
    expect(
      (await call("GET", "/api/admin/email/templates/welcome/preview", undefined, { token }))
        .status,
    ).toBe(403);
  });
});

describe("POST /api/emails/batch", () => {
  const path = "/api/emails/batch";

  it("accepts 100 emails, answers each in its place, and notifies once for all", async () => {
    const notifications = fakeQueue();
    const emails = Array.from({ length: 100 }, (_, n) =>
      n % 10 === 3 ? { ...email, to: "nobody" } : { ...email, subject: `No ${n}` },
    );
    const { status, body } = await callWith({ EMAIL_QUEUE: notifications.queue })("POST", path, {
      emails,
    });
    expect(status).toBe(202);
    expect(body).toMatchObject({ accepted: 90, refused: 10 });
    expect(notifications.sent).toHaveLength(90);
    const subjects = await Promise.all(
      body.items.map(async ({ id, error }: { id: string; error: { errors: { path: string }[] } }) =>
        id === undefined
          ? error.errors[0]?.path
          : (await call("GET", `/api/emails/${id}`)).body.subject,
      ),
    );
    expect(subjects).toEqual(emails.map((_, n) => (n % 10 === 3 ? "to" : `No ${n}`)));
  });

  it("is safe to repeat under one Idempotency-Key, and a changed email is refused", async () => {
    const headers = { "Idempotency-Key": "batch-1" };
    const emails = [
      { ...email, subject: "One" },
      { ...email, subject: "Two" },
    ];
    const first = await call("POST", path, { emails }, { headers });
    const before = await rowsInAll();
    const again = await call("POST", path, { emails }, { headers });
    expect(again.body.items).toEqual(first.body.items);
    const other = await call(
      "POST",
      path,
      { emails: [emails[0], { ...email, subject: "Three" }] },
      { headers },
    );
    expect(other.body.items[0]).toEqual(first.body.items[0]);
    expect(other.body.items[1].error).toMatchObject({
      type: "urn:luna:problem:idempotency-key-reused",
    });
    expect(await rowsInAll()).toEqual(before);
  });

  it("refuses each email that D1 did not take", async () => {
    const { status, body } = await callWith({ DB: deadDatabase })("POST", path, {
      emails: [email, email],
    });
    expect(status).toBe(202);
    expect(body).toMatchObject({
      accepted: 0,
      refused: 2,
      items: [{ error: { status: 503 } }, { error: { status: 503 } }],
    });
  });

  it("needs the right to send, and refuses a missing, empty or too long list", async () => {
    const { token } = await sender([]);
    expect((await call("POST", path, { emails: [email] }, { token })).status).toBe(403);
    for (const emails of ["x", [], Array.from({ length: 101 }, () => email)]) {
      expect((await call("POST", path, { emails })).body.errors).toMatchObject([
        { path: "emails" },
      ]);
    }
  });
});

describe("POST /api/emails/:id/cancel", () => {
  it("cancels a queued email, records it in its timeline, and can be repeated", async () => {
    const { body } = await call("POST", "/api/emails", {
      ...email,
      sendAt: new Date(Date.now() + 3_600_000).toISOString(),
    });
    for (let n = 0; n < 2; n += 1) {
      expect(await call("POST", `/api/emails/${body.id}/cancel`)).toMatchObject({
        status: 200,
        body: { id: body.id, status: "cancelled" },
      });
    }
    const { status, events } = (await call("GET", `/api/emails/${body.id}`)).body;
    expect([status, events.map((event: { type: string }) => event.type)]).toEqual([
      "cancelled",
      ["scheduled", "cancelled"],
    ]);
    expect(
      (await call("POST", "/api/admin/email/process-dlq", { ids: [body.id] })).body.items,
    ).toMatchObject([{ success: false, status: "cancelled" }]);
  });

  it.each(["claimed", "sending", "sent", "unknown", "dead"])(
    "is refused for an email that is %s, which goes on",
    async (state) => {
      const { body } = await call("POST", "/api/emails", email);
      await env.DB.prepare("UPDATE emails SET status = ?2 WHERE id = ?1")
        .bind(body.id, state)
        .run();
      const refused = await call("POST", `/api/emails/${body.id}/cancel`);
      expect(refused).toMatchObject({
        status: 409,
        body: { type: "urn:luna:problem:wrong-state", detail: expect.stringContaining(state) },
      });
      expect((await call("GET", `/api/emails/${body.id}`)).body.status).toBe(state);
      await env.DB.prepare("DELETE FROM emails WHERE id = ?").bind(body.id).run();
    },
  );

  it("is for the email's own tenant; other tenants get 404", async () => {
    const [one, other] = [await sender(["emails:send"]), await sender(["emails:send"])];
    const { body } = await call("POST", "/api/emails", email, { token: one.token });
    expect(
      (await call("POST", `/api/emails/${body.id}/cancel`, undefined, { token: other.token }))
        .status,
    ).toBe(404);
    expect(
      (await call("POST", `/api/emails/${body.id}/cancel`, undefined, { token: one.token })).status,
    ).toBe(200);
  });

  it("is known to have worked although the reply of D1 is lost", async () => {
    const { body } = await call("POST", "/api/emails", email);
    const lossy = callWith({ DB: losingReplies(env.DB) });
    expect((await lossy("POST", `/api/emails/${body.id}/cancel`)).status).toBe(200);
  });
});

describe("POST /api/emails", () => {
  it("writes an email and its first event in one batch and answers 202", async () => {
    const accepted = await call("POST", "/api/emails", email);
    expect(accepted).toMatchObject({ status: 202, body: { status: "queued" } });
    expect(accepted.headers.get("Location")).toBe(`/api/emails/${accepted.body.id}`);

    const { body } = await call("GET", `/api/emails/${accepted.body.id}`);
    expect(body).toMatchObject({
      id: accepted.body.id,
      to: "ada@example.com",
      subject: "Hello",
      generation: 1,
      onUnknown: "hold",
    });
    expect(body.events[0]).toMatchObject({ type: "queued", generation: 1 });
  });

  const nextNotification = (id: string): Promise<number | null> =>
    env.DB.prepare("SELECT ring_after FROM emails WHERE id = ? AND status = 'queued'")
      .bind(id)
      .first<number>("ring_after");

  it("accepts although the queue refuses the notification; the next sweep notifies", async () => {
    const before = Date.now();
    const queue = fakeQueue(true).queue;
    const { status, body } = await callWith({ EMAIL_QUEUE: queue })("POST", "/api/emails", email);
    expect(status).toBe(202);
    await eventually(async () =>
      expect(await nextNotification(body.id)).toBeLessThanOrEqual(Date.now()),
    );
    expect(await nextNotification(body.id)).toBeGreaterThanOrEqual(before);
  });

  it("answers while the queue has not, and then the next sweep notifies", async () => {
    const silent = {
      sendBatch: () => new Promise(() => undefined),
    } as unknown as Queue<QueueMessage>;
    // In real time: a fake clock would also run what an earlier request still waits for.
    const { status, body } = await callWith({ EMAIL_QUEUE: silent })("POST", "/api/emails", email);
    expect(status).toBe(202);
    expect(await nextNotification(body.id), "the wait is not over").toBeGreaterThan(Date.now());
    await eventually(async () =>
      expect(await nextNotification(body.id)).toBeLessThanOrEqual(Date.now()),
    );
  });

  it("answers 503 and sends no notification while D1 is down", async () => {
    const notifications = fakeQueue();
    const refused = await callWith({ DB: deadDatabase, EMAIL_QUEUE: notifications.queue })(
      "POST",
      "/api/emails",
      email,
    );
    expect(refused).toMatchObject({
      status: 503,
      body: { type: "urn:luna:problem:outcome-unknown" },
    });
    expect(refused.headers.get("Retry-After")).toBe("5");
    expect(notifications.sent).toEqual([]);
  });

  it("writes neither email nor event nor key if a statement fails", async () => {
    const before = await rowsInAll();
    await env.DB.prepare(
      `CREATE TRIGGER refuse BEFORE INSERT ON email_events
       BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`,
    ).run();
    const refused = await call("POST", "/api/emails", email, {
      headers: { "Idempotency-Key": "atomic" },
    });
    await env.DB.prepare("DROP TRIGGER refuse").run();
    expect(refused).toMatchObject({ status: 503, body: { type: "urn:luna:problem:unavailable" } });
    expect(await rowsInAll()).toEqual(before);
  });

  it("belongs to keys with the scope emails:send", async () => {
    const { token } = await sender([]);
    const refused = await call("POST", "/api/emails", email, { token });
    expect(refused).toMatchObject({
      status: 403,
      body: { detail: expect.stringContaining("lacks the scope emails:send") },
    });
    const allowed = await sender(["emails:send"]);
    expect((await call("POST", "/api/emails", email, { token: allowed.token })).status).toBe(202);
    expect((await call("POST", "/api/emails", email, { token: null })).status).toBe(401);
  });
});

describe("an Idempotency-Key", () => {
  const send = (key: string, body: unknown = email, token?: string) =>
    call("POST", "/api/emails", body, {
      headers: { "Idempotency-Key": key },
      ...(token === undefined ? {} : { token }),
    });

  it("makes twenty concurrent repeats one email with one answer", async () => {
    const before = await rows("emails");
    const answers = await Promise.all(Array.from({ length: 20 }, () => send("order-1")));
    expect(
      new Set(answers.map(({ status, body }) => `${status} ${body.id} ${body.status}`)).size,
    ).toBe(1);
    expect(answers[0]?.status).toBe(202);
    expect((await rows("emails")) - before).toBe(1);
    expect(
      answers.filter(({ headers }) => headers.get("Idempotency-Replayed") === "true"),
    ).toHaveLength(19);
  });

  it("is refused with another body, and nothing is written", async () => {
    await send("order-2");
    const before = await rowsInAll();
    const refused = await send("order-2", { ...email, subject: "Something else" });
    expect(refused).toMatchObject({
      status: 422,
      body: { type: "urn:luna:problem:idempotency-key-reused" },
    });
    expect(await rowsInAll()).toEqual(before);
  });

  it("does not care how the same body is written", async () => {
    const first = await send("order-3", { to: email.to, subject: email.subject, text: email.text });
    const second = await send("order-3", {
      text: email.text,
      onUnknown: "hold",
      subject: email.subject,
      to: email.to,
    });
    expect(second.body).toEqual(first.body);
  });

  it("belongs to one tenant", async () => {
    const one = await sender(["emails:send"]);
    const other = await sender(["emails:send"]);
    const ids = await Promise.all([
      send("order-4", email, one.token),
      send("order-4", email, other.token),
      send("order-4"),
    ]);
    expect(new Set(ids.map(({ body }) => body.id)).size).toBe(3);
  });

  /** As if 24 hours had passed, in which its email was sent at once or waits. */
  const expire = async (key: string, status: "sent" | "queued") => {
    const now = Date.now();
    const id = "(SELECT email_id FROM idempotency_keys WHERE key = ?1)";
    await env.DB.batch([
      env.DB.prepare("UPDATE idempotency_keys SET expires_at = ?2 WHERE key = ?1").bind(key, now),
      env.DB.prepare(`UPDATE emails SET status = ?2, updated_at = ?3 WHERE id = ${id}`).bind(
        key,
        status,
        now - 86_400_000,
      ),
    ]);
  };

  it("is free again 24 hours after its email was over", async () => {
    const first = await send("order-5");
    await expire("order-5", "sent");
    const second = await send("order-5", { ...email, subject: "A day later" });
    expect(second.status).toBe(202);
    expect(second.body.id).not.toBe(first.body.id);
  });

  it("answers after 24 hours, too, while its email waits, and is prolonged instead of deleted", async () => {
    const first = await send("order-9");
    await expire("order-9", "queued");
    expect((await send("order-9")).body).toMatchObject({ id: first.body.id });
    await env.DB.prepare("UPDATE idempotency_keys SET expires_at = 1 WHERE key = 'order-9'").run();
    await runTask("expire-idempotency-keys");
    const left = "SELECT expires_at FROM idempotency_keys WHERE key = 'order-9'";
    const expiresAt = await env.DB.prepare(left).first<number>("expires_at");
    expect(expiresAt).toBeGreaterThan(Date.now() + 22 * 3_600_000);
    await expire("order-9", "sent");
    await env.DB.prepare("UPDATE idempotency_keys SET expires_at = 1 WHERE key = 'order-9'").run();
    await env.DB.prepare("UPDATE emails SET updated_at = 1 WHERE id = ?").bind(first.body.id).run();
    await runTask("expire-idempotency-keys");
    expect(await env.DB.prepare(left).first()).toBeNull();
  });

  it("that has expired does not answer for an email that was not accepted", async () => {
    await send("order-7");
    await expire("order-7", "sent");
    await env.DB.prepare(
      `CREATE TRIGGER refuse BEFORE INSERT ON emails
       BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`,
    ).run();
    const refused = await send("order-7");
    await env.DB.prepare("DROP TRIGGER refuse").run();
    expect(refused.status).toBe(503);
  });

  it("answers the same after a lost reply", async () => {
    const lost = await callWith({ DB: losingReplies(env.DB) })("POST", "/api/emails", email, {
      headers: { "Idempotency-Key": "order-6" },
    });
    expect(lost.status).toBe(202);
    expect((await send("order-6")).body).toEqual(lost.body);
  });

  it.each(["", "two words", "ü", "x".repeat(256)])(
    "is refused by name when it is %j",
    async (key) => {
      const before = await rowsInAll();
      const refused = await call("POST", "/api/emails", email, {
        headers: { "Idempotency-Key": key },
      });
      expect(refused).toMatchObject({
        status: 422,
        body: { errors: [{ path: "Idempotency-Key" }] },
      });
      expect(await rowsInAll()).toEqual(before);
    },
  );
});

describe("GET /api/emails", () => {
  it("pages through a tenant's own emails, newest first, each once", async () => {
    const { token } = await sender(["emails:send"]);
    const sent: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      const id = String((await call("POST", "/api/emails", email, { token })).body.id);
      await env.DB.prepare("UPDATE emails SET created_at = ? WHERE id = ?")
        .bind(1_000 + n, id)
        .run();
      sent.unshift(id);
    }
    await call("POST", "/api/emails", email);

    const seen: string[] = [];
    let cursor = "";
    do {
      const { body } = await call("GET", `/api/emails?limit=2${cursor}`, undefined, { token });
      seen.push(...body.items.map(({ id }: { id: string }) => id));
      cursor = body.nextCursor === undefined ? "" : `&cursor=${body.nextCursor}`;
    } while (cursor !== "");
    expect(seen).toEqual(sent);
  });

  it("filters by status, and shows the admin those of all users", async () => {
    const [one, other] = await Promise.all([sender(["emails:send"]), sender(["emails:send"])]);
    const { body } = await call("POST", "/api/emails", email, { token: one.token });
    await env.DB.prepare("UPDATE emails SET status = 'unknown' WHERE id = ?").bind(body.id).run();
    for (const token of [undefined, one.token]) {
      const { items } = (
        await call(
          "GET",
          "/api/emails?status=unknown",
          undefined,
          token === undefined ? {} : { token },
        )
      ).body;
      expect(items).toMatchObject([{ id: body.id, status: "unknown" }]);
    }
    expect(
      (await call("GET", "/api/emails?status=unknown", undefined, { token: other.token })).body
        .items,
    ).toEqual([]);
    expect(await call("GET", "/api/emails?status=lost")).toMatchObject({
      status: 422,
      body: { errors: [{ path: "status" }] },
    });
  });
});

describe("GET /api/emails?to=", () => {
  it("finds emails by recipient in any case, and all tenants' for operators only", async () => {
    const { token } = await sender(["emails:send"]);
    const mine = (
      await call("POST", "/api/emails", { ...email, to: "Wanted@example.com" }, { token })
    ).body.id;
    const another = (await call("POST", "/api/emails", { ...email, to: "wanted@example.com" })).body
      .id;
    await call("POST", "/api/emails", { ...email, to: "unwanted@example.com" });
    const first = (await call("GET", "/api/emails?to=WANTED@example.com&limit=1")).body;
    const second = (
      await call("GET", `/api/emails?to=WANTED@example.com&limit=1&cursor=${first.nextCursor}`)
    ).body;
    expect([...first.items, ...second.items].map(({ id }) => id).toSorted()).toEqual(
      [mine, another].toSorted(),
    );
    expect(second.nextCursor).toBeUndefined();
    const own = (await call("GET", "/api/emails?to=wanted@example.com", undefined, { token })).body
      .items;
    expect(own.map(({ id }: { id: string }) => id)).toEqual([mine]);
    expect((await call("GET", "/api/emails?to=wanted@example.com&status=dead")).body.items).toEqual(
      [],
    );
    expect(await call("GET", "/api/emails?to=nobody")).toMatchObject({
      status: 422,
      body: { errors: [{ path: "to" }] },
    });
  });
});

describe("POST /api/admin/email/:id/resolve", () => {
  it.each([
    ["sent", {}],
    ["dead", {}],
    ["queued", { generation: 2 }],
  ])("makes an unknown email %s, and touches no other email", async (status, fields) => {
    const { body } = await call("POST", "/api/emails", email);
    const path = `/api/admin/email/${body.id}/resolve`;
    expect((await call("POST", path, { status })).status).toBe(404);
    await env.DB.prepare("UPDATE emails SET status = 'unknown' WHERE id = ?").bind(body.id).run();
    await env.DB.prepare(
      `UPDATE emails SET attempts = 3, generation_at = 0, due_at = 0, lease_token = 'old'
       WHERE id = ?`,
    )
      .bind(body.id)
      .run();
    const before = await env.DB.prepare(
      "SELECT group_concat(id || status || updated_at) AS all_others FROM emails WHERE id <> ?",
    )
      .bind(body.id)
      .first();
    expect((await call("POST", path, { status })).body).toMatchObject({
      id: body.id,
      status,
      ...fields,
    });
    expect(
      await env.DB.prepare(
        "SELECT group_concat(id || status || updated_at) AS all_others FROM emails WHERE id <> ?",
      )
        .bind(body.id)
        .first(),
    ).toEqual(before);
    const row = await env.DB.prepare(
      `SELECT attempts, generation_at > 0 AS dated, due_at > 0 AS due, sent_at > 0 AS sent,
         lease_token
       FROM emails WHERE id = ?`,
    )
      .bind(body.id)
      .first();
    const again = status === "queued";
    expect(row).toEqual({
      attempts: again ? 0 : 3,
      dated: again ? 1 : 0,
      due: again ? 1 : 0,
      sent: status === "sent" ? 1 : null,
      lease_token: null,
    });
    const shown = await call("GET", `/api/emails/${body.id}`);
    expect(shown.body.events.at(-1)).toMatchObject({
      type: status,
      detail: { resolvedBy: "operator" },
    });
  });
});

describe("GET /api/emails/:id", () => {
  it("shows a tenant only its own emails", async () => {
    const one = await sender(["emails:send"]);
    const other = await sender(["emails:send"]);
    const { body } = await call("POST", "/api/emails", email, { token: one.token });
    const path = `/api/emails/${body.id}`;
    expect((await call("GET", path, undefined, { token: one.token })).status).toBe(200);
    expect((await call("GET", path)).status).toBe(200);
    expect((await call("GET", path, undefined, { token: other.token })).status).toBe(404);
  });
});
