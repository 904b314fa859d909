import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, beforeAll, beforeEach, expect, inject, it, vi } from "vitest";
import { openApiDocument } from "../../shared/contract/openapi.ts";
import { operations } from "../../shared/contract/operations.ts";
import { dispatch } from "../../workers/api/dispatch.ts";
import { requests, type FuzzRequest } from "../support/arbitrary-request.ts";
import { undocumented } from "../support/conformance.ts";
import { requestRuns } from "../support/database-runs.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { cron } from "../support/produce.ts";
import { call, tables } from "./support.ts";

/**
 * Requests at random against the real Worker on a real D1, KV and objects: none is answered with a
 * 5xx or with what the document does not describe, and none that is refused changes a row.
 */

const REQUESTS = requestRuns(inject("runs"));
const seed = inject("seed");
const bindings = { ...env, CRON: cron({ retry: async () => ({ status: "not-found" }) } as never) };
const users = ["fuzz-a", "fuzz-b", "fuzz-c"];
const tokens = new Map<string, string>();
let known: Record<string, string[]> = {};

async function signUp(userId: string): Promise<void> {
  await env.DB.prepare("DELETE FROM usage_metrics WHERE user_id = ?1").bind(userId).run();
  for (const table of ["team_members", "user_activity", "subscriptions"])
    await env.DB.prepare(`DELETE FROM ${table} WHERE user_id = ?1`).bind(userId).run();
  await env.DB.prepare("DELETE FROM workspaces WHERE owner_id = ?1").bind(userId).run();
  await env.DB.prepare("DELETE FROM users WHERE user_id = ?1").bind(userId).run();
  await call("POST", "/api/admin/cache/invalidate", { userId });
  const { body } = await call("POST", "/api/users", {
    userId,
    email: `${userId}-${crypto.randomUUID()}@example.com`,
    tier: "enterprise",
  });
  tokens.set(userId, body.apiKey);
  await call("PATCH", `/api/users/${userId}`, { scopes: ["emails:send"] });
}

beforeAll(async () => {
  for (const userId of users) await signUp(userId);
  const token = tokens.get("fuzz-a") ?? "";
  const team = (await call("POST", "/api/teams", { name: "Fuzz" }, { token })).body.team.teamId;
  const emails = await Promise.all(
    [1, 2, 3].map(
      async () =>
        (
          await call(
            "POST",
            "/api/emails",
            { to: "fuzz@example.com", subject: "Hi", text: "Hi" },
            { token },
          )
        ).body.id,
    ),
  );
  known = {
    userId: users,
    teamId: [team],
    id: emails,
    tag: users.map((userId) => `user:${userId}`),
    // Orders to the other breakers would change what the rest is answered.
    name: ["email:resend", "welcome", "sweep-outbox"],
    runId: ["r"],
    address: ["fuzz@example.com"],
    provider: ["resend"],
    token: ["x"],
  };
});

beforeEach(() => {
  for (const level of ["info", "warn", "error"] as const)
    vi.spyOn(console, level).mockReturnValue();
});
afterEach(() => void vi.restoreAllMocks());

/** The token of a request: mostly a valid one. */
function tokenOf(who: number): string | null {
  if (who < 45) return ADMIN_TOKEN;
  if (who < 85) return tokens.get(users[who % users.length] ?? "") ?? null;
  return who < 93 ? "luna_no-such-key" : null;
}

const urlOf = ({ path, query }: FuzzRequest): URL =>
  new URL(
    `http://luna.test${path.startsWith("/") ? path : `/${path}`}${query === "" ? "" : `?${query}`}`,
  );
/** As the router reads it: without slashes at its end. */
const pathOf = (request: FuzzRequest): string => urlOf(request).pathname.replace(/(?<=.)\/+$/, "");

async function send({ method, body, headers, who, ...where }: FuzzRequest): Promise<Response> {
  const token = tokenOf(who);
  const url = urlOf({ method, body, headers, who, ...where });
  const request = new Request(url, {
    method,
    headers: { ...headers, ...(token === null ? {} : { Authorization: `Bearer ${token}` }) },
    ...(body !== null && { body }),
  });
  return await dispatch(request, bindings);
}

/** Purges of the outbox go in the background. */
const lasting = tables.filter((table) => table !== "purge_intents");
const updates = [
  "SUM(updated_at) FROM users",
  "SUM(updated_at) FROM emails",
  "SUM(amount) FROM usage_metrics",
];
const columns = [
  ...lasting.map((table) => `(SELECT COUNT(*) FROM ${table})`),
  ...updates.map((sum) => `(SELECT ${sum})`),
];
const fingerprintSql = `SELECT json_array(${columns.join(", ")}) AS n`;
const fingerprint = async (): Promise<string> =>
  (await env.DB.prepare(fingerprintSql).first<string>("n")) ?? "";

it(`${REQUESTS} random requests: documented answers, no 5xx, no row by a refused one`, async () => {
  const sample = fc.sample(requests(openApiDocument(operations, "1"), known), {
    numRuns: REQUESTS,
    seed,
  });
  const wrong: string[] = [];
  let authenticated = 0;
  let before = await fingerprint();
  for (const request of sample) {
    const response = await send(request);
    const { status, headers } = response;
    const text = await response.text();
    const sent = `${request.method} ${request.path}?${request.query}`;
    const found = `${sent} ${String(request.body).slice(0, 300)}: ${status} ${text.slice(0, 300)}`;
    if (status >= 500) wrong.push(found);
    const asked =
      request.method === "OPTIONS" && status === 204
        ? []
        : undocumented(request.method, pathOf(request), { status, headers, text });
    if (asked.length > 0) wrong.push(`${found}: ${asked.join("; ")}`);
    if (status !== 401 && tokenOf(request.who) !== null) authenticated += 1;
    if (request.method !== "GET" && request.method !== "HEAD") {
      const after = await fingerprint();
      if (status >= 400 && after !== before)
        wrong.push(`${found} and changed ${before} to ${after}`);
      before = after;
    }
    const user = users[request.who % users.length] ?? "";
    if (status === 401 && request.who >= 45 && request.who < 85) {
      await signUp(user);
      before = await fingerprint();
    }
    if (wrong.length > 5) break;
  }
  expect(wrong, `SEED=${seed}`).toEqual([]);
  expect(authenticated / REQUESTS).toBeGreaterThan(0.6);
});
