import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { call, signUpAs } from "./support.ts";

/** Keys of operators: with a role or with scopes, named in the audit log. */

const path = "/api/admin/api-keys";
const reset = "/api/admin/circuit-breakers/cache/reset";

beforeEach(async () => void (await env.DB.prepare("DELETE FROM api_keys").run()));

const create = async (fields: object, token?: string) =>
  await call(
    "POST",
    path,
    { name: "Night shift", ...fields },
    token === undefined ? {} : { token },
  );

describe("an operator's key with the role support", () => {
  it("searches and replays, and may neither change accounts nor see keys", async () => {
    const { userId } = await signUpAs("pro");
    const { apiKey: token } = (await create({ role: "support" })).body;
    expect(token).toMatch(/^luna_op_/);
    const status = async (method: string, at: string, body?: unknown) =>
      (await call(method, at, body, { token })).status;
    expect(await status("GET", "/api/admin/users")).toBe(200);
    expect(await status("GET", `/api/users/${userId}`)).toBe(200);
    expect(await status("POST", "/api/admin/email/process-dlq", { ids: ["x"] })).toBe(200);
    expect(await status("PATCH", `/api/users/${userId}`, { tier: "free" })).toBe(403);
    expect(await status("GET", `/api/users/${userId}/api-keys`)).toBe(403);
    expect(await status("POST", `/api/users/${userId}/api-key`)).toBe(403);
    expect(await status("GET", path)).toBe(403);
    expect(await status("POST", reset, { reason: "no" })).toBe(403);
  });

  it("is who it is for the console, and its name is not a secret", async () => {
    const { apiKey: token, key } = (await create({ role: "support" })).body;
    const { body } = await call("GET", "/api/admin/me", undefined, { token });
    expect(body).toMatchObject({ role: "support", actor: `key:${key.id}`, name: "Night shift" });
    expect(body.scopes).toContain("emails:replay");
  });
});

describe("an operator's key with scopes", () => {
  it("does what they open, and is the actor of its writes", async () => {
    const { apiKey: token, key } = (await create({ scopes: ["breakers:manage"] })).body;
    expect((await call("POST", reset, { reason: "repaired" }, { token })).status).toBe(200);
    expect((await call("GET", "/api/admin/users", undefined, { token })).status).toBe(403);
    const audit = `/api/admin/audit?actor=key:${key.id}`;
    await eventually(async () =>
      expect((await call("GET", audit)).body.items[0]).toMatchObject({
        operation: "resetCircuitBreaker",
        status: 200,
      }),
    );
  });

  it("makes no key that does more: neither of an operator, nor of a user", async () => {
    const { userId } = await signUpAs("pro");
    const { apiKey: token } = (await create({ scopes: ["keys:manage", "cache:purge"] })).body;
    expect((await create({ scopes: ["cache:purge"] }, token)).status).toBe(201);
    expect((await create({ scopes: ["breakers:manage"] }, token)).status).toBe(403);
    expect((await create({ role: "viewer" }, token)).status).toBe(403);
    const of = `/api/users/${userId}`;
    const body = { name: "Key", scopes: ["usage:write"] };
    expect((await call("POST", `${of}/api-keys`, body, { token })).status).toBe(403);
    expect((await call("POST", `${of}/api-key`, undefined, { token })).status).toBe(403);
  });

  it("grants a user no sending that it lacks itself", async () => {
    const { userId } = await signUpAs("pro");
    const { apiKey: token } = (await create({ scopes: ["users:manage"] })).body;
    const grant = { scopes: ["emails:send"] };
    expect((await call("PATCH", `/api/users/${userId}`, grant, { token })).status).toBe(403);
    expect((await call("PATCH", `/api/users/${userId}`, { tier: "free" }, { token })).status).toBe(
      200,
    );
  });

  it("sends no test of a template without the scope to send emails", async () => {
    const test = async (templates: string, scopes: string[]) => {
      const { apiKey: token } = (await create({ scopes })).body;
      return await call("POST", `${templates}/welcome/test`, { to: "ada@example.com" }, { token });
    };
    for (const templates of ["/api/admin/email/templates", "/api/templates"])
      expect(await test(templates, ["templates:manage"])).toMatchObject({
        status: 403,
        body: { detail: "This key lacks the scope emails:send." },
      });
    const both = ["templates:manage", "emails:send"];
    expect((await test("/api/admin/email/templates", both)).status).toBe(202);
  });

  it("gets the content of an email only if it may send it again", async () => {
    const email = { to: "ada@example.com", subject: "Hi", text: "a secret link" };
    const { id } = (await call("POST", "/api/emails", email)).body;
    const read = async (scopes: string[]) => {
      const { apiKey: token } = (await create({ scopes })).body;
      return (await call("GET", `/api/emails/${id}?content=true`, undefined, { token })).body;
    };
    expect(await read(["emails:read"])).not.toHaveProperty("content");
    expect(await read(["emails:read", "emails:replay"])).toHaveProperty("content");
  });
});

it.each([
  ["both a role and scopes", { role: "viewer", scopes: ["cache:purge"] }],
  ["neither", {}],
])("a key with %s is refused", async (_, fields) => {
  const { status, body } = await create(fields);
  expect(status).toBe(422);
  expect(body.errors).toMatchObject([{ path: "scopes" }]);
});

it("the audit log has what a key was, and never the key", async () => {
  const { key, apiKey } = (await create({ scopes: ["cache:purge"] })).body;
  await call("DELETE", `${path}/${key.id}`);
  await eventually(async () => {
    const { items } = (await call("GET", "/api/admin/audit?limit=10")).body;
    const revoked = items.find(
      ({ operation }: { operation: string }) => operation === "revokeOperatorKey",
    );
    expect(revoked.changes).toContainEqual({ field: "scopes", from: '["cache:purge"]' });
    expect(JSON.stringify(items)).not.toContain(apiKey);
  });
});
