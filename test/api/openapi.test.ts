import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { operations } from "../../shared/contract/operations.ts";
import { httpStatusOf } from "../../shared/http/problem.ts";
import { handlers } from "../../workers/api/routes.ts";
import { undocumented } from "../support/conformance.ts";

const get = async (path: string): Promise<Response> =>
  await exports.default.fetch(new Request(`http://luna.test${path}`));

describe("the contract", () => {
  it("has a handler for every operation, and no other handler exists", () => {
    expect(Object.keys(handlers).toSorted()).toEqual(operations.map(({ id }) => id).toSorted());
    expect(new Set(operations.map(({ id }) => id)).size).toBe(operations.length);
    expect(
      new Set(operations.map(({ method, path }) => `${method} ${path.replace(/:\w+/g, ":")}`)).size,
    ).toBe(operations.length);
  });
});

describe("GET /openapi.json", () => {
  it("describes every operation with its parameters, its body and all its answers", async () => {
    const document = await (
      await get("/openapi.json")
    ).json<{ openapi: string; paths: Record<string, Record<string, { operationId: string }>> }>();
    expect(document.openapi).toBe("3.1.0");
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    expect(ids.toSorted()).toEqual(operations.map(({ id }) => id).toSorted());
    expect(document.paths["/api/users/{userId}"]?.["patch"]).toMatchObject({
      parameters: [
        {
          name: "userId",
          in: "path",
          required: true,
          schema: { type: "string", pattern: expect.any(String) },
        },
        { name: "If-Match", in: "header" },
      ],
      requestBody: {
        content: {
          "application/json": {
            schema: {
              additionalProperties: false,
              properties: { email: {}, tier: {}, scopes: { type: "array", items: {} } },
            },
          },
        },
      },
      responses: {
        200: {},
        401: {},
        403: {},
        404: {},
        409: {},
        412: {},
        415: {},
        422: {},
        429: {},
        500: {},
        503: {},
      },
    });
    expect(document.paths["/api/emails"]?.["post"]).toMatchObject({
      parameters: [{ name: "Idempotency-Key", in: "header" }],
    });
  });
});

describe("GET /docs", () => {
  it("shows every operation, with a policy that lets in only its own style", async () => {
    const page = await get("/docs");
    const html = await page.text();
    expect(html).toContain('id="schema-EmailRequest"');
    for (const { id } of operations) expect(html).toContain(`id="${id}"`);
    for (const tag of Object.keys(httpStatusOf)) expect(html).toContain(`id="problem-${tag}"`);
    const [first, style, ...rest] = page.headers.get("Content-Security-Policy")?.split("; ") ?? [];
    expect([first, ...rest]).toEqual([
      "default-src 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
    ]);
    expect(style).toMatch(/^style-src 'sha256-[\w+/=]+'$/);
  });
});

it("an answer that the document does not describe is found", () => {
  const headers = new Headers({
    "Content-Type": "application/json",
    "X-Request-Id": "x",
    "RateLimit-Policy": "x",
    "X-Content-Type-Options": "x",
    "Content-Security-Policy": "x",
    "Strict-Transport-Security": "x",
  });
  const answer = (status: number, body: unknown) =>
    undocumented("GET", "/api/admin/email/templates", {
      status,
      headers,
      text: JSON.stringify(body),
    });
  expect(answer(200, { items: [{ name: "welcome" }] })).toEqual([]);
  expect(answer(200, { items: [{ name: "welcome", secret: 1 }] })).not.toEqual([]);
  expect(answer(200, { items: [{}] })).not.toEqual([]);
  expect(answer(201, { items: [] })).toEqual(["201 is not documented"]);
  headers.delete("X-Request-Id");
  expect(answer(200, { items: [] })).toEqual(["X-Request-Id is missing"]);
});
