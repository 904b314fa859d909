import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { CountedDatabase } from "../../bench/counted-database.ts";
import { acceptQueued } from "../../shared/email/producers.ts";
import { MAX_TEMPLATES } from "../../shared/email/sql/templates.ts";
import { sendSystemEmails } from "../../shared/email/system-emails.ts";
import { sendByRpc } from "../../workers/api/emails-rpc.ts";
import { eventually } from "../support/eventually.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { call, callWith, deadDatabase, rowsInAll, signUpAs, type TestUser } from "./support.ts";

const path = "/api/admin/email/templates";
const order = {
  subject: "Order {{order}}",
  html: "<p>{{carrier}} has order {{order}}.</p>",
  text: "{{carrier}} has order {{order}}.",
  example: { order: "1042", carrier: "Acme Post" },
};
const data = { order: "7", carrier: "Post" };
const db = env.DB;

beforeEach(async () => {
  for (const table of ["email_templates", "email_template_versions"])
    await db.prepare(`DELETE FROM ${table}`).run();
  // Whose templates are cached by now.
  await call("POST", "/api/admin/cache/invalidate", { all: true });
});

async function create(name: string, fields: object = {}, by?: TestUser): Promise<void> {
  const at = by === undefined ? path : "/api/templates";
  const body = { name, ...order, publish: true, ...fields };
  const made = await call("POST", at, body, by);
  expect(made).toMatchObject({ status: 201 });
}

async function mailer(): Promise<TestUser> {
  const user = await signUpAs("pro");
  await call("PATCH", `/api/users/${user.userId}`, { scopes: ["emails:send"] });
  return user;
}

const to = "ada@example.com";
const send = async (template: string, given: unknown = data, by?: TestUser) =>
  await call("POST", "/api/emails", { to, template, data: given }, by);

async function shown(id: string) {
  return (await call("GET", `/api/emails/${id}?content=true`)).body;
}
async function subjectOf(template: string, by?: TestUser): Promise<string> {
  const { status, body } = await send(template, data, by);
  expect({ status, body }).toMatchObject({ status: 202 });
  return (await shown(body.id)).subject;
}

describe("an email that names a stored template", () => {
  it("gets its published version under the brand, and records which", async () => {
    await create("order");
    const { body } = await send("order", { order: "<7>", carrier: "Post" });
    const email = await shown(body.id);
    expect(email).toMatchObject({
      subject: "Order <7>",
      template: { name: "order", source: "shared", version: 1 },
    });
    expect(email.content.html).toMatch(/^<!doctype html>[^]*Post has order &lt;7&gt;\./);
    expect(email.content.text).toContain("Post has order <7>.");
    const builtIn = await send("welcome", { userId: "ada", tier: "pro" });
    expect((await shown(builtIn.body.id)).template).toEqual({
      name: "welcome",
      source: "built-in",
    });
  });

  it("is refused by the name of each field that is missing, and ignores what is not used", async () => {
    await create("order");
    const before = await rowsInAll();
    const refused = await send("order", { more: 1 });
    expect(refused.status).toBe(422);
    expect(refused.body.errors.map((one: { path: string }) => one.path).toSorted()).toEqual([
      "data.carrier",
      "data.order",
    ]);
    for (const wrong of [[], "text", null])
      expect(await send("order", wrong)).toMatchObject({
        status: 422,
        body: { errors: [{ path: "data" }] },
      });
    expect(await rowsInAll()).toEqual(before);
    expect((await send("order", { ...data, more: 1 })).status).toBe(202);
  });

  it("is refused while there is no published version of that name", async () => {
    await create("draft", { publish: false });
    for (const name of ["draft", "nothing"])
      expect(await send(name)).toMatchObject({
        status: 422,
        body: { errors: [{ path: "template" }] },
      });
  });

  it("does not change when its template does", async () => {
    await create("order");
    const { body } = await send("order");
    await call("POST", `${path}/order/versions`, { ...order, subject: "New", publish: true });
    expect((await shown(body.id)).subject).toBe("Order 7");
    expect(await subjectOf("order")).toBe("New");
    await call("DELETE", `${path}/order`);
    expect((await shown(body.id)).subject).toBe("Order 7");
  });

  it("gets an older version from the request after the roll-back on, and again the newer", async () => {
    await create("order");
    await call("POST", `${path}/order/versions`, { ...order, subject: "Second", publish: true });
    expect(await subjectOf("order")).toBe("Second");
    const rolledBack = await call("POST", `${path}/order/versions/1/publish`);
    expect(rolledBack.body).toMatchObject({ publishedVersion: 1, latestVersion: 2 });
    expect(await subjectOf("order")).toBe("Order 7");
    await call("POST", `${path}/order/versions/2/publish`);
    expect(await subjectOf("order")).toBe("Second");
  });

  it("gets the tenant's own template before the shared one, and no other tenant's", async () => {
    const [one, other] = [await mailer(), await mailer()];
    await create("order", { subject: "Shared" });
    await create("order", { subject: "Own" }, one);
    expect(await subjectOf("order", one)).toBe("Own");
    expect(await subjectOf("order", other)).toBe("Shared");
    expect(await subjectOf("order")).toBe("Shared");
    await create("private", {}, one);
    expect((await send("private", data, other)).status).toBe(422);
    await call("DELETE", "/api/templates/order", undefined, one);
    expect(await subjectOf("order", one)).toBe("Shared");
  });

  it("is answered as before under its Idempotency-Key, also if its template is gone", async () => {
    await create("order");
    const headers = { "Idempotency-Key": "order-7" };
    const email = { to, template: "order", data };
    const first = await call("POST", "/api/emails", email, { headers });
    const batch = { emails: [email, email] };
    const firsts = await call("POST", "/api/emails/batch", batch, { headers });
    const byRpc = await sendByRpc(env, email, { idempotencyKey: "order-7" });
    await call("DELETE", `${path}/order`);
    const again = await call("POST", "/api/emails", email, { headers });
    expect([again.status, again.body]).toEqual([202, first.body]);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    expect((await call("POST", "/api/emails/batch", batch, { headers })).body).toEqual(firsts.body);
    const id = byRpc.ok && byRpc.value.id;
    expect(await sendByRpc(env, email, { idempotencyKey: "order-7" })).toMatchObject({
      value: { id, replayed: true },
    });
    const other = { ...email, data: { ...data, order: "8" } };
    expect((await call("POST", "/api/emails", other, { headers })).status).toBe(422);
    expect((await call("POST", "/api/emails", other)).status).toBe(422);
  });

  it("is accepted alike in a batch, by RPC and by the queue", async () => {
    await create("order");
    const email = { to, template: "order", data };
    const wrong = { ...email, data: {} };
    const { body } = await call("POST", "/api/emails/batch", { emails: [email, wrong, email] });
    expect(body).toMatchObject({ accepted: 2, refused: 1 });
    const byRpc = await sendByRpc(env, email, {});
    expect(byRpc.ok && (await shown(byRpc.value.id)).subject).toBe("Order 7");
    const outbox = { db, queue: env.EMAIL_QUEUE };
    const message = { type: "send" as const, message: email, idempotencyKey: "queued-order" };
    expect(await acceptQueued(outbox, env, message as never)).toEqual({ do: "acknowledge" });
    const refused = { ...message, message: wrong, idempotencyKey: "queued-wrong" };
    expect(await acceptQueued(outbox, env, refused as never)).toMatchObject({ do: "refuse" });
  });

  it("is accepted in one round trip to D1, once its template is cached", async () => {
    const user = await mailer();
    await create("order", {}, user);
    const counted = new CountedDatabase(db);
    const by = { token: user.token };
    const counting = callWith({ DB: counted.db });
    for (const expected of [expect.any(Number), 1]) {
      const before = counted.roundTrips;
      const sent = await counting("POST", "/api/emails", { to, template: "order", data }, by);
      expect(sent.status).toBe(202);
      expect(counted.roundTrips - before).toEqual(expected);
    }
  });

  it("is answered 503 and not accepted while its template can be read nowhere", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    await create("order");
    const dead = callWith({ DB: deadDatabase });
    const { status } = await dead("POST", "/api/emails", { to, template: "order", data });
    expect(status).toBe(503);
  });
});

describe("a built-in template that is replaced", () => {
  const welcome = {
    subject: "Hello {{userId}}",
    html: "<p>{{tier}}</p>",
    text: "{{tier}}",
    example: undefined,
  };

  async function subjectTo(address: string): Promise<string> {
    const { body } = await call("GET", `/api/emails?to=${address}`);
    return body.items[0].subject;
  }

  it("is what Luna's own emails get, until the built-in one is published again", async () => {
    await create("welcome", welcome);
    const first = await signUpAs("pro");
    expect(await subjectTo(first.email)).toBe(`Hello ${first.userId}`);
    expect((await call("POST", `${path}/welcome/versions/0/publish`)).status).toBe(200);
    const second = await signUpAs("pro");
    expect(await subjectTo(second.email)).toContain("Welcome to");
    expect((await call("POST", `${path}/order/versions/0/publish`)).status).toBe(404);
  });

  it("keeps its data: what it had not is refused, with a link that an email needs", async () => {
    const unknown = await call("POST", path, { name: "welcome", ...welcome, html: "{{name}}" });
    expect(unknown).toMatchObject({ status: 422, body: { errors: [{ path: "html" }] } });
    const linkless = { name: "address-confirmation", subject: "Hi", html: "<p>Hi</p>" };
    expect(await call("POST", path, linkless)).toMatchObject({
      status: 422,
      body: { errors: [{ path: "html", message: "must use {{link}} outside of sections" }] },
    });
    await create("welcome", welcome);
    expect(await send("welcome", { userId: "ada" })).toMatchObject({
      status: 422,
      body: { errors: [{ path: "data.tier" }] },
    });
  });

  it("that no longer works keeps no email of Luna's from being sent", async () => {
    const log = vi.spyOn(console, "error").mockReturnValue();
    await create("welcome", welcome);
    // As if a release had taken a field from the built-in one.
    await db.prepare("UPDATE email_template_versions SET html = '{{gone}}'").run();
    await call("POST", "/api/admin/cache/invalidate", { all: true });
    const user = await signUpAs("pro");
    expect(await subjectTo(user.email)).toContain("Welcome to");
    const emails = [
      { key: "s", email: { to, template: "welcome", data: { userId: "ada", tier: "pro" } } },
    ];
    const sent = await sendSystemEmails({ db, queue: env.EMAIL_QUEUE }, env, emails, Date.now());
    expect(sent).toMatchObject({ accepted: ["s"], refused: [] });
    const unusable = log.mock.calls.filter(([line]) => String(line).includes("unusable"));
    expect(unusable).toHaveLength(2);
    expect(String(unusable[0]?.[0])).toContain('"version":1');
  });

  it("is not needed for a name that looks like a link to unsubscribe: the email is sent", async () => {
    const text = 'The heartbeat "{{unsubscribeUrl}}" is down.';
    const emails = [{ key: "h", email: { to, subject: "Down", text } }];
    const sent = await sendSystemEmails({ db, queue: env.EMAIL_QUEUE }, env, emails, Date.now());
    expect(sent).toMatchObject({ accepted: ["h"], refused: [] });
  });

  it("is what tenants get that name it, too", async () => {
    await create("welcome", welcome);
    const { body } = await send("welcome", { userId: "ada", tier: "pro" }, await mailer());
    expect((await shown(body.id)).template).toMatchObject({ source: "shared", version: 1 });
  });
});

describe("the versions of a template", () => {
  it("are listed with their authors, and each is read and previewed by its number", async () => {
    await create("order");
    await call("POST", `${path}/order/versions`, { ...order, subject: "Second {{order}}" });
    const { body } = await call("GET", `${path}/order`);
    expect(body).toMatchObject({
      name: "order",
      source: "shared",
      version: 1,
      publishedVersion: 1,
      latestVersion: 2,
      subject: order.subject,
      layout: true,
      fields: ["carrier", "order"],
      versions: [{ version: 2, subject: "Second {{order}}" }, { version: 1 }],
    });
    expect(body.versions[0].author).toMatch(/^admin:/);
    const second = await call("GET", `${path}/order/versions/2`);
    expect(second.body).toMatchObject({
      version: 2,
      subject: "Second {{order}}",
      html: order.html,
    });
    const preview = await call("GET", `${path}/order/preview?format=json&version=2`);
    expect(preview.body).toMatchObject({ subject: "Second 1042", fields: ["carrier", "order"] });
    expect((await call("GET", `${path}/order/preview?format=json`)).body.subject).toBe(
      "Order 1042",
    );
    for (const missing of [
      "/order/versions/3",
      "/order/versions/x",
      "/nothing",
      "/nothing/preview",
    ])
      expect((await call("GET", `${path}${missing}`)).status).toBe(404);
  });

  it("are kept up to fifty beside the published one", async () => {
    await create("order");
    for (let n = 0; n < 52; n += 1) await call("POST", `${path}/order/versions`, order);
    const { body } = await call("GET", `${path}/order`);
    const numbers = body.versions.map(({ version }: { version: number }) => version);
    expect(numbers).toEqual([...Array.from({ length: 50 }, (_, n) => 53 - n), 1]);
    expect(await subjectOf("order")).toBe("Order 7");
    const bytes = await db.prepare("SELECT bytes FROM email_templates").first<number>("bytes");
    const sum = await db
      .prepare("SELECT SUM(bytes) AS n FROM email_template_versions")
      .first<number>("n");
    expect(bytes).toBe(sum);
  });

  it("of a built-in template begin with that one, which GET shows as it is", async () => {
    const { body } = await call("GET", `${path}/welcome`);
    expect(body).toMatchObject({ source: "built-in", layout: false, versions: [] });
    const { html, text, subject } = body;
    await create("welcome", { html, text, subject, layout: false, example: undefined });
    const user = await signUpAs("pro");
    const { items } = (await call("GET", `/api/emails?to=${user.email}`)).body;
    expect(items[0]).toMatchObject({ template: { source: "shared" } });
  });

  it("are stored once, also if a reply of D1 is lost", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const lossy = callWith({ DB: losingReplies(db) });
    const made = await lossy("POST", path, { name: "order", ...order });
    expect(made).toMatchObject({ status: 201, body: { version: 1 } });
    expect(await call("POST", path, { name: "order", ...order })).toMatchObject({
      status: 409,
      body: { errors: [{ path: "name" }] },
    });
    const next = await lossy("POST", `${path}/order/versions`, order);
    expect(next).toMatchObject({ status: 201, body: { version: 2 } });
    expect((await lossy("POST", `${path}/order/versions/2/publish`)).status).toBe(200);
    expect((await call("GET", `${path}/order`)).body.versions).toHaveLength(2);
  });
});

describe("a template", () => {
  it.each([
    [{ name: "Order" }, "name"],
    [{ name: "x".repeat(65) }, "name"],
    [{ subject: "" }, "subject"],
    [{ html: "{{#a}}" }, "html"],
    [{ html: "<p>{{{order}}}</p>" }, "html"],
    [{ html: "x".repeat(200_001) }, "html"],
    [{ text: "{{> x}}" }, "text"],
    [{ layout: "no" }, "layout"],
    [{ example: [] }, "example"],
    [{ example: { order: "1" } }, "example"],
    [{ more: 1 }, "more"],
  ])("is refused by the name of the field, and nothing is written: %j", async (fields, field) => {
    const before = await rowsInAll();
    const refused = await call("POST", path, { name: "order", ...order, ...fields });
    expect(refused.status).toBe(422);
    expect(refused.body.errors[0].path.split(".")[0]).toBe(field);
    expect(await rowsInAll()).toEqual(before);
  });

  it("is one of at most a hundred of its tenant, which have 20 MB together", async () => {
    await db
      .prepare(
        `INSERT INTO email_templates
           (tenant, name, latest_version, bytes, created_at, updated_at)
         SELECT '', 'x-' || value, 1, 1, 0, 0 FROM json_each(?1)`,
      )
      .bind(JSON.stringify(Array.from({ length: MAX_TEMPLATES }, (_, n) => n)))
      .run();
    const full = await call("POST", path, { name: "order", ...order });
    expect(full).toMatchObject({ status: 409, body: { detail: expect.stringContaining("100") } });
    await db.prepare("UPDATE email_templates SET bytes = 20000000 WHERE name = 'x-1'").run();
    expect((await call("POST", `${path}/x-2/versions`, order)).status).toBe(409);
    // It is the limit of one tenant.
    await create("order", {}, await mailer());
  });

  it("is in the list by its name, beside the built-in ones that nothing replaces", async () => {
    const user = await mailer();
    await create("zebra", { publish: false });
    await create("welcome", { subject: "Hi", html: "<p>Hi</p>", text: "Hi", example: undefined });
    await create("mine", {}, user);
    const admin = (await call("GET", path)).body.items;
    const names = admin.map(({ name }: { name: string }) => name);
    expect(names).toEqual(names.toSorted());
    expect(admin).toContainEqual(expect.objectContaining({ name: "welcome", source: "shared" }));
    expect(admin).toContainEqual({ name: "cancellation", source: "built-in" });
    expect(admin.find(({ name }: { name: string }) => name === "zebra")).not.toHaveProperty(
      "publishedVersion",
    );
    const own = (await call("GET", "/api/templates", undefined, user)).body.items;
    const sources = Object.fromEntries(
      own.map(({ name, source }: { name: string; source: string }) => [name, source]),
    );
    expect(sources).toMatchObject({ mine: "own", welcome: "shared", cancellation: "built-in" });
    expect(sources).not.toHaveProperty("zebra");
  });

  it("is in the audit log without its text, with the version before and after", async () => {
    await create("order");
    await call("POST", `${path}/order/versions`, order);
    await call("POST", `${path}/order/versions/2/publish`);
    await call("DELETE", `${path}/order`);
    await eventually(async () => {
      const { items } = (await call("GET", "/api/admin/audit?limit=4")).body;
      expect(items.map(({ operation }: { operation: string }) => operation)).toEqual([
        "deleteTemplate",
        "publishTemplateVersion",
        "addTemplateVersion",
        "createTemplate",
      ]);
      expect(items[1].changes).toEqual([{ field: "published", from: 1, to: 2 }]);
      expect(JSON.stringify(items)).not.toContain("has order");
    });
  });

  it("of a deleted account is gone with it, and no other", async () => {
    const [user, other] = [await mailer(), await mailer()];
    await create("order", {}, user);
    await create("order", {}, other);
    expect((await call("DELETE", `/api/users/${user.userId}`)).status).toBe(204);
    for (const table of ["email_templates", "email_template_versions"]) {
      const { results } = await db.prepare(`SELECT tenant FROM ${table}`).all();
      expect(results).toEqual([{ tenant: `user:${other.userId}` }]);
    }
  });
});

describe("a preview", () => {
  it("of what is not stored has each error by its field, or the email and its fields", async () => {
    const at = `${path}/order/preview`;
    const before = await rowsInAll();
    expect((await call("POST", at, { ...order, data })).body).toMatchObject({
      subject: "Order 7",
      text: expect.stringContaining("Post has order 7."),
      fields: ["carrier", "order"],
    });
    const wrong = await call("POST", at, { ...order, subject: "{{x", html: "{{/y}}" });
    expect(wrong).toMatchObject({
      status: 422,
      body: { errors: [{ path: "subject" }, { path: "html" }] },
    });
    expect(await call("POST", at, { ...order, data: {} })).toMatchObject({ status: 422 });
    expect(await rowsInAll()).toEqual(before);
  });

  it("in HTML runs no script", async () => {
    await create("order", { html: "<script>1</script>", layout: false, text: undefined });
    const response = await call("GET", `${path}/order/preview`, undefined, { text: true });
    expect(response.headers.get("Content-Security-Policy")).toMatch(
      /default-src 'none';.*sandbox$/,
    );
  });
});

describe("a test", () => {
  it("goes through the outbox to the given address, as the version that it names", async () => {
    await create("order");
    await call("POST", `${path}/order/versions`, { ...order, subject: "Second {{order}}" });
    const { status, body } = await call("POST", `${path}/order/test`, { to, version: 2, data });
    expect(status).toBe(202);
    expect(await shown(body.id)).toMatchObject({
      subject: "Second 7",
      to,
      tags: ["template-test"],
      template: { name: "order", source: "shared", version: 2 },
    });
    const builtIn = await call("POST", `${path}/welcome/test`, { to });
    expect((await shown(builtIn.body.id)).template.source).toBe("built-in");
    for (const [asked, at] of [
      [{}, "to"],
      [{ to: "nobody" }, "to"],
      [{ to, data: {} }, "data"],
    ] as const) {
      const refused = await call("POST", `${path}/order/test`, asked);
      expect(refused.status).toBe(422);
      expect(refused.body.errors[0].path).toMatch(new RegExp(`^${at}`));
    }
    expect((await call("POST", `${path}/order/test`, { to, version: 9 })).status).toBe(404);
  });

  it("of a tenant goes to the address of the account", async () => {
    const user = await mailer();
    await create("order", {}, user);
    const { status, body } = await call("POST", "/api/templates/order/test", {}, user);
    expect(status).toBe(202);
    expect(await shown(body.id)).toMatchObject({
      to: user.email,
      template: { source: "own", version: 1 },
    });
  });
});
