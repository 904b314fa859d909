import { describe, expect, it } from "vitest";
import { listCircuitBreakers } from "../circuit-breakers.ts";
import { sendEmail } from "../emails.ts";
import { operations } from "../operations.ts";
import { getDocs, getHealth } from "../system.ts";
import { deleteUser, findUser, getUser, updateUser } from "../users.ts";
import { createClient } from "./client.ts";
import * as client from "./index.ts";

const asked: { url: string; init: RequestInit }[] = [];

function answering(status: number, body: string | null) {
  asked.length = 0;
  return createClient({
    baseUrl: "https://luna.test",
    token: "a-token",
    fetch: async (url, init) => {
      asked.push({ url: new Request(url).url, init: init ?? {} });
      return new Response(body, { status });
    },
  });
}

const user = {
  userId: "a/b",
  email: "ada@example.com",
  tier: "pro",
  scopes: [],
  apiKeyPrefix: "luna_x",
  createdAt: "2026-11-25T00:00:00.000Z",
  updatedAt: "2026-11-25T00:00:00.000Z",
};

it("the package has every operation for the client", () => {
  expect(Object.keys(client)).toEqual(expect.arrayContaining(operations.map(({ id }) => id)));
});

describe("the client", () => {
  it("asks with what the operation takes, each in its place", async () => {
    await answering(200, JSON.stringify({ user }))(updateUser, {
      params: { userId: "a/b" },
      body: { tier: "pro" },
    });
    expect(asked).toMatchObject([
      {
        url: "https://luna.test/api/users/a%2Fb",
        init: {
          method: "PATCH",
          body: '{"tier":"pro"}',
          headers: { Authorization: "Bearer a-token", "Content-Type": "application/json" },
        },
      },
    ]);
    await answering(202, JSON.stringify({ id: "1", status: "queued" }))(sendEmail, {
      body: { to: "ada@example.com", subject: "Hi", text: "Hi" },
      idempotencyKey: "k",
    });
    expect(asked[0]?.init.headers).toMatchObject({ "Idempotency-Key": "k" });
  });

  it("leaves out what a later release answers or adds to a problem", async () => {
    const later = { ...user, later: 1, apiKeyPrefix: null };
    const got = await answering(200, JSON.stringify({ user: later, more: [] }))(getUser, {
      params: { userId: "a" },
    });
    expect(got).toMatchObject({ ok: true, body: { user: { ...user, apiKeyPrefix: null } } });
    expect(got.ok && Object.keys(got.body)).toEqual(["user"]);
    const breakers = [{ name: "prices", state: "UNREACHABLE", used: true, later: 1 }];
    const listed = await answering(200, JSON.stringify({ items: breakers }))(listCircuitBreakers);
    expect(listed).toMatchObject({ ok: true, body: { items: [{ state: "UNREACHABLE" }] } });
    const refused = {
      type: "urn:luna:problem:usage-quota",
      title: "No",
      status: 429,
      detail: "No",
      later: 1,
    };
    expect(
      await answering(429, JSON.stringify(refused))(getUser, { params: { userId: "a" } }),
    ).toMatchObject({ ok: false, problem: { type: refused.type } });
    await expect(
      answering(200, JSON.stringify({ user: { ...user, tier: undefined } }))(getUser, {
        params: { userId: "a" },
      }),
    ).rejects.toThrow("user.tier");
  });

  it("answers with what the operation describes: a value, nothing, or a page", async () => {
    expect(
      await answering(200, JSON.stringify({ user }))(getUser, { params: { userId: "a" } }),
    ).toMatchObject({
      ok: true,
      status: 200,
      body: { user },
    });
    expect(await answering(204, null)(deleteUser, { params: { userId: "a" } })).toMatchObject({
      ok: true,
      status: 204,
      body: null,
    });
    expect(await answering(200, "<p>")(getDocs)).toMatchObject({ ok: true, body: "<p>" });
  });

  it("answers with the problem, also if a proxy answers, or Luna is down", async () => {
    const problem = {
      type: "urn:luna:problem:not-found",
      title: "Not found",
      status: 404,
      detail: "There is no such user.",
    };
    expect(
      await answering(404, JSON.stringify(problem))(getUser, { params: { userId: "a" } }),
    ).toMatchObject({ ok: false, problem });
    expect(
      await answering(502, "<h1>Bad gateway</h1>")(getUser, { params: { userId: "a" } }),
    ).toMatchObject({
      ok: false,
      status: 502,
      problem: { detail: "<h1>Bad gateway</h1>" },
    });
    expect(await answering(503, '{"status":"down"}')(getHealth)).toMatchObject({
      ok: false,
      status: 503,
    });
  });

  it("refuses by name what a URL or a header cannot carry, and sends nothing", async () => {
    const luna = answering(200, JSON.stringify({ user }));
    const refused = [
      ["userId", await luna(getUser, { params: { userId: "half \ud83c" } })],
      ["email", await luna(findUser, { query: { email: "half \ud83c" } })],
      ["Idempotency-Key", await luna(sendEmail, { idempotencyKey: "ключ" })],
    ] as const;
    for (const [path, answer] of refused)
      expect(answer).toMatchObject({
        ok: false,
        status: 422,
        problem: { type: "urn:luna:problem:invalid", errors: [{ path }] },
      });
    expect(asked).toEqual([]);
  });

  it.each([
    [200, '{"user":{}}'],
    [200, "no JSON"],
    [201, "{}"],
  ])("believes nothing that is not described: %d %s", async (status, body) => {
    await expect(answering(status, body)(getUser, { params: { userId: "a" } })).rejects.toThrow(
      TypeError,
    );
  });
});
