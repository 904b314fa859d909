import { env, exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { dispatch } from "../../workers/api/dispatch.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { call, callWith, deadDatabase, rowsInAll } from "./support.ts";

const user = { userId: "ada", email: "ada@example.com" };
const email = { to: "ada@example.com", subject: "Hello", text: "Hi" };

const several = (count: number, name = "a"): string[] =>
  Array.from({ length: count }, (_, n) => `${name}${n}@example.com`);

describe("an invalid request is refused by the name of its field, and nothing is written", () => {
  it.each<[string, string, unknown, string]>([
    ["an unknown field", "/api/users", { ...user, admin: true }, "admin"],
    ["a missing field", "/api/users", { userId: "ada" }, "email"],
    ["a wrong type", "/api/users", { ...user, userId: 5 }, "userId"],
    ["an unknown tier", "/api/users", { ...user, tier: "gold" }, "tier"],
    ["a colon in the id", "/api/users", { ...user, userId: "a:b" }, "userId"],
    ["an id of 65 characters", "/api/users", { ...user, userId: "a".repeat(65) }, "userId"],
    [
      "an address with a line break",
      "/api/users",
      { ...user, email: "a@example.com\r\nBcc: e@example.com" },
      "email",
    ],
    ["a list instead of an object", "/api/users", [user], "body"],
    ["nothing to change", "/api/users/ada", {}, "body"],
    ["no body at all", "/api/users", undefined, "userId"],
    [
      "two recipients in one text",
      "/api/emails",
      { ...email, to: "a@x.example, b@x.example" },
      "to",
    ],
    ["no recipient", "/api/emails", { ...email, to: [] }, "to"],
    [
      "a second recipient that is none",
      "/api/emails",
      { ...email, cc: ["a@x.example", "b"] },
      "cc.1",
    ],
    ["51 recipients", "/api/emails", { ...email, to: several(30), bcc: several(21, "b") }, "to"],
    [
      "a link to unsubscribe for several",
      "/api/emails",
      { ...email, category: "marketing", cc: "eve@example.com" },
      "to",
    ],
    [
      "a subject with a line break",
      "/api/emails",
      { ...email, subject: "Hi\r\nBcc: eve@example.com" },
      "subject",
    ],
    ["an empty subject", "/api/emails", { ...email, subject: "" }, "subject"],
    ["a blank subject", "/api/emails", { ...email, subject: " \u00a0" }, "subject"],
    [
      "a reply address that is a list",
      "/api/emails",
      { ...email, replyTo: "a@example.com, b@example.com" },
      "replyTo",
    ],
    [
      "a header that Luna sets",
      "/api/emails",
      { ...email, headers: { "x-luna-email": "1" } },
      "headers.x-luna-email",
    ],
    [
      "a header that an email may not set",
      "/api/emails",
      { ...email, headers: { Bcc: "eve@example.com" } },
      "headers.Bcc",
    ],
    [
      "a header with a line break",
      "/api/emails",
      { ...email, headers: { "X-A": "a\r\nBcc: eve@example.com" } },
      "headers.X-A",
    ],
    [
      "an address for replies in a list that is none",
      "/api/emails",
      { ...email, replyTo: ["Ada <ada@example.com>", "Eve"] },
      "replyTo.1",
    ],
    [
      "an inline file without HTML",
      "/api/emails",
      { ...email, attachments: [{ filename: "a.png", content: "QQ==", contentId: "a" }] },
      "attachments.0.contentId",
    ],
    ["neither text nor html", "/api/emails", { to: email.to, subject: email.subject }, "text"],
    ["NUL in the text", "/api/emails", { ...email, text: "a\u0000b" }, "text"],
    ["an unknown policy", "/api/emails", { ...email, onUnknown: "guess" }, "onUnknown"],
    ["a limit of 0", "/api/admin/email/process-dlq", { limit: 0 }, "limit"],
    ["a fractional limit", "/api/admin/email/process-dlq", { limit: 1.5 }, "limit"],
    ["ids that are no text", "/api/admin/email/process-dlq", { ids: [1] }, "ids.0"],
  ])("%s", async (_, path, body, field) => {
    const before = await rowsInAll();
    const refused = await call(path === "/api/users/ada" ? "PATCH" : "POST", path, body);
    expect(refused.status).toBe(422);
    expect(refused.headers.get("Content-Type")).toBe("application/problem+json");
    expect(refused.body).toMatchObject({
      type: "urn:luna:problem:invalid",
      title: "The request is not valid",
      status: 422,
    });
    expect(refused.body.errors.map((error: { path: string }) => error.path)).toContain(field);
    expect(refused.body.detail).toContain(field);
    expect(await rowsInAll()).toEqual(before);
  });

  it.each([
    ["PATCH", "/api/users/ada", "scopes"],
    ["POST", "/api/admin/email/process-dlq", "ids"],
  ])(
    "a list of half a million wrong entries is refused for its length alone: %s %s",
    async (method, path, field) => {
      const refused = await call(method, path, {
        [field]: Array.from({ length: 500_000 }, () => 1),
      });
      expect(refused).toMatchObject({
        status: 422,
        body: {
          errors: [
            { path: field, message: expect.stringMatching(/^must have at most \d+ entries$/) },
          ],
        },
      });
    },
  );

  it("an unknown field of a megabyte is named by its beginning", async () => {
    const refused = await call("POST", "/api/users", { ...user, ["x".repeat(1_000_000)]: 1 });
    expect(refused.body.errors).toEqual([
      { path: "x".repeat(100), message: "is not a known field" },
    ]);
  });

  it.each([
    ["/api/users?email=nonsense", "email"],
    ["/api/users", "email"],
    ["/api/admin/email/dlq?limit=0", "limit"],
    ["/api/admin/email/dlq?limit=101", "limit"],
    ["/api/admin/email/dlq?cursor=x", "cursor"],
    ["/api/admin/email/dlq?page=2", "page"],
    ["/api/users?email=ada@example.com&page=2", "page"],
    ["/api/users", "email"],
    ["/api/users?email=nobody", "email"],
    ["/api/cache/metrics?window=1h", "window"],
  ])("GET %s", async (path, field) => {
    const refused = await call("GET", path);
    expect(refused).toMatchObject({ status: 422, body: { errors: [{ path: field }] } });
  });
});

describe("a body", () => {
  it("of another type is refused with 415", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
      const refused = await call("POST", "/api/users", user, { headers: { "Content-Type": type } });
      expect(refused).toMatchObject({
        status: 415,
        body: { type: "urn:luna:problem:unsupported-media-type" },
      });
    }
  });

  it.each(["{", "\u0000", '{"userId":"ada",}', "nul"])(
    "that is not JSON is refused with 400: %j",
    async (body) => {
      expect(await call("POST", "/api/users", body)).toMatchObject({
        status: 400,
        body: { type: "urn:luna:problem:malformed-json" },
      });
    },
  );

  it("that is empty counts as {} for any content type", async () => {
    expect((await call("POST", "/api/admin/email/process-dlq")).status).toBe(200);
    expect((await call("POST", "/api/admin/email/process-dlq", "")).status).toBe(200);
  });

  it("over 1 MiB is refused with 413, also without a Content-Length", async () => {
    const before = await rowsInAll();
    const address = "x".repeat(1_048_577);
    expect((await call("POST", "/api/senders", { address })).status).toBe(413);
    const stream = new Response(JSON.stringify({ address })).body;
    const headers = { Authorization: `Bearer ${ADMIN_TOKEN}`, "Content-Type": "application/json" };
    const refused = await dispatch(
      new Request("http://luna.test/api/senders", { method: "POST", headers, body: stream }),
      env,
    );
    expect(refused.status).toBe(413);
    expect(await rowsInAll()).toEqual(before);
  });
});

describe("a token", () => {
  it.each([
    ["is missing", undefined],
    ["is wrong", "Bearer nonsense"],
    ["is almost the admin's", `Bearer ${ADMIN_TOKEN}x`],
    ["is in another scheme", `Basic ${ADMIN_TOKEN}`],
    ["is empty", "Bearer "],
    ["is very long", `Bearer ${"x".repeat(5_000)}`],
  ])("that %s is answered with 401", async (_, authorization) => {
    const refused = await call("GET", "/api/users/ada", undefined, {
      token: null,
      headers: authorization === undefined ? {} : { Authorization: authorization },
    });
    expect(refused).toMatchObject({
      status: 401,
      body: { type: "urn:luna:problem:unauthenticated" },
    });
    expect(refused.headers.get("WWW-Authenticate")).toContain("Bearer");
  });
});

describe("a path", () => {
  const named = (what: string) => ({ detail: `There is no such ${what}.` });
  const wrong = (path: string, message: string) => ({ errors: [{ path, message }] });

  it.each<[string, string, number, object]>([
    ["GET", "/api/users/a:b", 404, named("user")],
    ["GET", "/api/users/%61da", 404, named("user")],
    ["PATCH", "/api/users/a:b", 404, named("user")],
    ["DELETE", "/api/teams/x/members/a:b", 404, named("user")],
    ["POST", "/api/admin/circuit-breakers/x/reset", 422, { detail: "reason is required" }],
    ["GET", "/api/admin/circuit-breakers/x/history", 404, named("circuit breaker")],
    ["POST", "/api/admin/circuit-breakers/%zz/reset", 404, named("circuit breaker")],
    [
      "GET",
      "/api/admin/circuit-breakers/x/history?limit=0",
      422,
      wrong("limit", "must be from 1 to 100"),
    ],
    ["GET", "/api/admin/circuit-breakers/email%3Aresend/history", 200, { items: [] }],
    ["GET", "/api/admin/email/templates/X_/preview?format=x", 404, named("template")],
    ["GET", "/api/admin/email/templates/%77elcome/preview", 404, named("template")],
    ["GET", "/api/admin/email/dlq/%zz", 404, named("dead letter")],
    ["GET", "/api/admin/cache/tags/%zz", 422, wrong("tag", "is not properly encoded")],
    ["GET", "/api/admin/cache/tags/%zz?limit=0", 422, wrong("limit", "must be from 1 to 100")],
    [
      "DELETE",
      "/api/admin/email/suppressions/x",
      422,
      wrong("address", "must be one plain email address"),
    ],
    ["POST", "/api/webhooks/x", 404, named("provider")],
  ])("%s %s is answered %i by what its parameter names", async (method, path, status, body) => {
    expect(await call(method, path)).toMatchObject({ status, body });
  });

  it("with an unknown parameter is answered 401 without a valid token", async () => {
    for (const path of ["/api/users/a:b", "/api/admin/circuit-breakers/x/history"]) {
      expect((await call("GET", path, undefined, { token: null })).status).toBe(401);
      expect((await call("GET", path, undefined, { token: "luna_x" })).status).toBe(401);
    }
  });

  it("with an Idempotency-Key that is not valid is refused before its body is read", async () => {
    const headers = { "Idempotency-Key": "a b" };
    for (const path of ["/api/emails", "/api/emails/batch"])
      expect(await call("POST", path, "{", { headers })).toMatchObject({
        status: 422,
        body: { errors: [{ path: "Idempotency-Key" }] },
      });
  });

  it("that does not exist is answered with 404", async () => {
    expect(await call("GET", "/api/nothing")).toMatchObject({
      status: 404,
      body: { type: "urn:luna:problem:not-found" },
    });
  });

  it("that exists under other methods is answered with 405 and those", async () => {
    const refused = await call("POST", "/api/users/ada");
    expect(refused.status).toBe(405);
    expect(refused.headers.get("Allow")).toBe("GET, HEAD, PATCH, DELETE");
  });
});

it("HEAD is answered like GET, without the body", async () => {
  const response = await dispatch(new Request("http://luna.test/health", { method: "HEAD" }), env);
  expect(response.status).toBe(200);
  expect(
    await (
      await exports.default.fetch(new Request("http://luna.test/health", { method: "HEAD" }))
    ).text(),
  ).toBe("");
});

describe("when a dependency is down", () => {
  it("a read is answered 503 with Retry-After", async () => {
    const refused = await callWith({ DB: deadDatabase })("GET", "/api/users/ada");
    expect(refused).toMatchObject({ status: 503, body: { type: "urn:luna:problem:unavailable" } });
    expect(refused.headers.get("Retry-After")).toBe("5");
  });

  it.each([
    ["PATCH", "/api/users/ada", { tier: "pro" }],
    ["DELETE", "/api/users/ada", undefined],
    ["POST", "/api/admin/email/process-dlq", { ids: ["some-email"] }],
  ])("%s %s answers that the outcome is unknown", async (method, path, body) => {
    const refused = await callWith({ DB: deadDatabase })(method, path, body);
    expect(refused).toMatchObject({
      status: 503,
      body: { type: "urn:luna:problem:outcome-unknown" },
    });
  });

  it("a rotation that cannot read the present key has written nothing", async () => {
    const refused = await callWith({ DB: deadDatabase })("POST", "/api/users/ada/api-key");
    expect(refused).toMatchObject({ status: 503, body: { type: "urn:luna:problem:unavailable" } });
  });

  it.each([{}, { ids: ["some-email"], dryRun: true }])(
    "a replay that has replayed nothing yet does not claim that it may have: %j",
    async (body) => {
      const refused = await callWith({ DB: deadDatabase })(
        "POST",
        "/api/admin/email/process-dlq",
        body,
      );
      expect(refused).toMatchObject({
        status: 503,
        body: { type: "urn:luna:problem:unavailable" },
      });
    },
  );

  it("a variable that is missing or bad is named, without its value", async () => {
    const short = await callWith({ ADMIN_TOKEN: "short" })("GET", "/api/users/ada");
    expect(short).toMatchObject({
      status: 503,
      body: { detail: "The variable ADMIN_TOKEN must have at least 32 characters." },
    });
    const sender = await callWith({ EMAIL_FROM: "nobody" })("POST", "/api/emails", email);
    expect(sender.body.detail).toContain("EMAIL_FROM");
    expect(sender.body.detail).not.toContain("nobody");
  });

  it("an unexpected exception is a 500 that reveals only its request id", async () => {
    const broken = new Proxy(env, {
      get() {
        throw new Error("a secret detail");
      },
    });
    const request = new Request("http://luna.test/api/me", {
      headers: { Authorization: `Bearer ${ADMIN_TOKEN}` },
    });
    const failed = await dispatch(request, broken);
    expect(failed.status).toBe(500);
    expect(failed.headers.get("X-Request-Id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(await failed.text()).not.toContain("secret");
  });
});

describe("GET /health", () => {
  it("is ok, and degraded once an email has been due for over five minutes", async () => {
    const healthy = await call("GET", "/health", undefined, { token: null });
    expect(healthy).toMatchObject({
      status: 200,
      body: { status: "ok", checks: { database: { status: "ok" }, email: { status: "ok" } } },
    });

    const { body } = await call("POST", "/api/emails", email);
    const dueAt = async (at: number): Promise<unknown> =>
      await env.DB.prepare("UPDATE emails SET due_at = ? WHERE id = ?").bind(at, body.id).run();
    const next = Date.now() + 60_000;
    await dueAt(next);
    const waiting = await call("GET", "/health", undefined, { token: null });
    expect(waiting.body.checks.email).toMatchObject({
      status: "ok",
      queued: 1,
      due: 0,
      nextDueAt: new Date(next).toISOString(),
    });
    await dueAt(Date.now() - 301_000);
    const degraded = await call("GET", "/health", undefined, { token: null });
    expect(degraded).toMatchObject({
      status: 200,
      body: { status: "degraded", checks: { email: { status: "degraded" } } },
    });
    expect(degraded.body.checks.email.oldestDueSeconds).toBeGreaterThanOrEqual(301);
  });

  it("names each variable that is invalid, and not its value", async () => {
    const wrong = { PRODUCT_COLOUR: "s3cret", TRIAL_DAYS: "soon", ALERT_EMAIL: "nonsense" };
    const health = async (changes: object) =>
      (await callWith({ ...wrong, ...changes })("GET", "/health", undefined, { token: null })).body;
    const settings = {
      status: "degraded",
      invalid: ["ALERT_EMAIL", "TRIAL_DAYS", "PRODUCT_COLOUR"],
    };
    const degraded = await health({});
    expect(degraded).toMatchObject({ status: "degraded", checks: { settings } });
    expect(JSON.stringify(degraded)).not.toContain("s3cret");
    expect((await health({ DB: deadDatabase })).checks.settings).toEqual(settings);
    const { body } = await call("GET", "/health", undefined, { token: null });
    expect(body.checks.settings).toEqual({ status: "ok", invalid: [] });
  });

  it("needs no authentication, also with a stale token or without D1", async () => {
    expect((await call("GET", "/health", undefined, { token: "stale" })).status).toBe(200);
    expect(
      (await callWith({ DB: deadDatabase })("GET", "/health", undefined, { token: "stale" })).body
        .status,
    ).toBe("down");
  });

  it("is down with 503 only when D1 does not answer", async () => {
    const down = await callWith({ DB: deadDatabase })("GET", "/health", undefined, { token: null });
    expect(down).toMatchObject({
      status: 503,
      body: { status: "down", checks: { database: { status: "down" } } },
    });
  });
});
