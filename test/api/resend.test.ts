import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { answerResend } from "../../workers/api/resend/answer.ts";
import type { ApiEnv } from "../../workers/env.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { call, rows } from "./support.ts";

/** What the SDK does not do: test/stack/resend-sdk.test.ts has the rest. */

const ask = async (
  method: string,
  path: string,
  { body, token = ADMIN_TOKEN, bindings = {} }: Asked = {},
): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }> => {
  const request = new Request(`http://luna.test/resend${path}`, {
    method,
    headers: {
      "Content-Type": "application/json",
      ...(token !== null && { Authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body }),
  });
  const answer = await answerResend(request, { ...env, ...bindings });
  return { status: answer.status, body: await answer.json(), headers: answer.headers };
};
type Asked = {
  body?: string | ReadableStream<Uint8Array>;
  token?: string | null;
  bindings?: Partial<ApiEnv>;
};
const hello = JSON.stringify({ to: "ada@example.com", subject: "Hi", text: "Hi" });

it("a body is not read before the caller's limit is checked", async () => {
  let isRead = false;
  const body = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        isRead = true;
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const none = { limit: async () => ({ success: false }) };
  const { status, body: problem } = await ask("POST", "/emails", {
    body,
    bindings: { RATE_LIMIT_KEY: none, RATE_LIMIT_IP: none },
  });
  expect([status, problem["name"]]).toEqual([429, "rate_limit_exceeded"]);
  expect(isRead).toBe(false);
});

it("a body that is no JSON, or too large, is refused, and nothing is written", async () => {
  const before = await rows("emails");
  expect(await ask("POST", "/emails", { body: "{" })).toMatchObject({
    status: 400,
    body: { name: "validation_error" },
  });
  const large = JSON.stringify({ text: "x".repeat(9 * 1_048_576) });
  expect(await ask("POST", "/emails", { body: large })).toMatchObject({
    status: 413,
    body: { statusCode: 413 },
  });
  expect(await rows("emails")).toBe(before);
});

it("an answer keeps the headers of Luna's, among them the id of the request", async () => {
  const { status, headers } = await ask("POST", "/emails", { body: hello });
  expect(status).toBe(200);
  expect(headers.get("Content-Type")).toBe("application/json");
  expect(headers.get("X-Request-Id")).toMatch(/^[\da-f-]{36}$/);
  expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
});

it("without a key the name of the problem is missing_api_key", async () => {
  const { body } = await ask("POST", "/emails", { body: hello, token: null });
  expect(body).toMatchObject({ statusCode: 401, name: "missing_api_key" });
});

it.each([
  ["GET", "/"],
  ["DELETE", "/emails/x"],
  ["POST", "/emails/x/share"],
  ["GET", "/emails/x/attachments/y"],
  ["PUT", "/emails"],
  ["GET", "/emails/..%2Fusers"],
])("%s %s is not supported", async (method, path) => {
  expect(await ask(method, path)).toMatchObject({ status: 404, body: { name: "not_found" } });
});

it("a batch names stored templates, and what they refuse is refused for each email", async () => {
  const order = { name: "order", subject: "Order {{order}}", html: "{{order}}", publish: true };
  const example = { order: "1" };
  await call("POST", "/api/admin/email/templates", { ...order, example });
  const to = "ada@example.com";
  const body = JSON.stringify([
    { from: env.EMAIL_FROM, to, template: { id: "order", variables: { order: "7" } } },
    { from: env.EMAIL_FROM, to, template: { id: "order", variables: {} } },
  ]);
  const { status, body: answer } = await ask("POST", "/emails/batch", { body });
  expect({ status, answer }).toMatchObject({
    status: 200,
    answer: {
      data: [{ id: expect.any(String) }],
      errors: [{ index: 1, message: expect.stringContaining("order") }],
    },
  });
});
