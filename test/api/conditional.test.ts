import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { operations } from "../../shared/contract/operations.ts";
import { call, callWith, signUpAs } from "./support.ts";

/** A change is made only if the object is as its caller read it: `ETag` and `If-Match`. */

type Changed = { at: string; first: object; second: object; token?: string };

async function objectOf(kind: string): Promise<Changed> {
  const { userId, token } = await signUpAs("pro");
  switch (kind) {
    case "user":
      return { at: `/api/users/${userId}`, first: { tier: "free" }, second: { tier: "pro" } };
    case "team": {
      const { teamId } = (await call("POST", "/api/teams", { name: "A" }, { token })).body.team;
      return { at: `/api/teams/${teamId}`, first: { name: "B" }, second: { name: "C" }, token };
    }
    case "sender": {
      const body = { address: `${userId}@sender.example` };
      const { id } = (await call("POST", "/api/admin/email/senders", body)).body;
      const at = `/api/admin/email/senders/${id}`;
      return { at, first: { name: "B" }, second: { name: "C" } };
    }
    case "job": {
      const name = `j-${userId}`;
      const body = { name, schedule: { every: "1h" }, target: { url: "https://example.com/" } };
      await call("POST", "/api/admin/jobs", body);
      const at = `/api/admin/jobs/${name}`;
      return { at, first: { graceMs: 60_000 }, second: { graceMs: 90_000 } };
    }
    case "heartbeat": {
      const body = { name: "A", schedule: { every: "1d" }, graceSeconds: 60 };
      const { id } = (await call("POST", "/api/heartbeats", body, { token })).body;
      return { at: `/api/heartbeats/${id}`, first: { name: "B" }, second: { name: "C" }, token };
    }
    default: {
      const body = { url: "https://example.com/", events: ["*"] };
      const { endpoint } = (await call("POST", "/api/webhook-endpoints", body, { token })).body;
      const at = `/api/webhook-endpoints/${endpoint.id}`;
      return { at, first: { description: "B" }, second: { description: "C" }, token };
    }
  }
}

const kinds = ["user", "team", "sender", "webhook endpoint", "job", "heartbeat"];

describe.each(kinds)("a %s", (kind) => {
  let object: Changed;
  beforeEach(async () => void (object = await objectOf(kind)));

  const ask = async (method: string, body?: object, headers: Record<string, string> = {}) =>
    await call(method, object.at, body, {
      ...(object.token !== undefined && { token: object.token }),
      headers: { "Cache-Control": "no-cache", ...headers },
    });
  const change = async (body: object, tag: string) => await ask("PATCH", body, { "If-Match": tag });

  it("is changed as it was read, and by nobody who read it before that change", async () => {
    const read = (await ask("GET")).headers.get("ETag") ?? "";
    expect(read).toMatch(/^"[0-9a-f]{32}"$/);
    expect((await change(object.first, read)).status).toBe(200);
    const late = await change(object.second, read);
    expect(late).toMatchObject({
      status: 412,
      body: { type: "urn:luna:problem:precondition-failed" },
    });
    const now = (await ask("GET")).headers.get("ETag") ?? "";
    expect(now).not.toBe(read);
    expect((await change(object.second, `"another", ${now}`)).status).toBe(200);
  });

  it("is changed by one of several who read the same state", async () => {
    const read = (await ask("GET")).headers.get("ETag") ?? "";
    const answers = await Promise.all(
      [object.first, object.second, object.first, object.second].map((body) => change(body, read)),
    );
    const statuses = answers.map(({ status }) => status).toSorted((one, other) => one - other);
    expect(statuses).toEqual([200, 412, 412, 412]);
  });

  it("is changed without a condition, and under a star; a weak tag matches nothing", async () => {
    const read = (await ask("GET")).headers.get("ETag") ?? "";
    expect((await change(object.first, `W/${read}`)).status).toBe(412);
    expect((await change(object.first, "*")).status).toBe(200);
    expect((await ask("PATCH", object.second)).status).toBe(200);
  });
});

describe("the PUT of a job", () => {
  const definition = { schedule: { every: "1h" }, target: { url: "https://example.com/" } };
  const at = () => `/api/admin/jobs/put-${crypto.randomUUID()}`;
  const put = async (path: string, tag: string, changes: object = {}) =>
    await call("PUT", path, { ...definition, ...changes }, { headers: { "If-Match": tag } });

  it("replaces the definition that was read, and none that was changed since", async () => {
    const path = at();
    await call("PUT", path, definition);
    const read = (await call("GET", path)).headers.get("ETag") ?? "";
    const first = await put(path, read, { graceMs: 60_000 });
    expect([first.status, first.body.job.graceMs]).toEqual([200, 60_000]);
    expect((await put(path, read, { graceMs: 90_000 })).status).toBe(412);
    expect((await call("GET", path)).body.graceMs).toBe(60_000);
    expect((await put(path, first.headers.get("ETag") ?? "")).status).toBe(200);
  });

  it("creates no job under a condition", async () => {
    const path = at();
    for (const tag of ["*", '"another"']) expect((await put(path, tag)).status).toBe(412);
    expect((await call("GET", path)).status).toBe(404);
  });
});

it("the tag of a job stays while it runs, and that of a heartbeat while it is pinged", async () => {
  const { at } = await objectOf("job");
  const tagOf = async (path: string, token?: string) =>
    (await call("GET", path, undefined, token === undefined ? {} : { token })).headers.get("ETag");
  const before = await tagOf(at);
  await call("POST", `${at}/run`);
  await env.DB.prepare("UPDATE jobs SET next_at = next_at + 1, failures = failures + 1").run();
  expect(await tagOf(at)).toBe(before);
  await call("POST", `${at}/pause`);
  expect(await tagOf(at)).not.toBe(before);
  const heartbeat = await objectOf("heartbeat");
  const read = await call("GET", heartbeat.at, undefined, { token: heartbeat.token ?? "" });
  const { pathname } = new URL(read.body.pingUrl);
  await call("GET", pathname, undefined, { token: null, text: true });
  expect(await tagOf(heartbeat.at, heartbeat.token)).toBe(read.headers.get("ETag"));
});

it("a heartbeat is not changed if another change comes between the look and the write", async () => {
  const { at, token = "" } = await objectOf("heartbeat");
  const as = { token };
  const read = (await call("GET", at, undefined, as)).headers.get("ETag") ?? "";
  const meanwhile = () => call("PATCH", at, { name: "B" }, as);
  const prepare = (sql: string): D1PreparedStatement => {
    const statement = env.DB.prepare(sql);
    if (!sql.startsWith("UPDATE heartbeats SET revision")) return statement;
    const bind = (...values: unknown[]) => ({
      all: async () => {
        await meanwhile();
        return await statement.bind(...values).all();
      },
    });
    return { bind } as unknown as D1PreparedStatement;
  };
  const batch = (statements: D1PreparedStatement[]) => env.DB.batch(statements);
  const ask = callWith({ DB: { prepare, batch } as unknown as D1Database });
  const late = await ask("PATCH", at, { name: "C" }, { ...as, headers: { "If-Match": read } });
  expect(late.status).toBe(412);
  expect((await call("GET", at, undefined, as)).body.name).toBe("B");
});

/** PATCH and PUT that take no condition, with the reason. */
const withoutCondition: Record<string, string> = {
  moveEmail: "only the time of an email changes, as long as the email has not left",
  renameWorkspace: "only the name of a workspace changes, and no GET shows one workspace",
};

it("each PATCH and PUT takes If-Match, except where nothing can be overwritten", () => {
  const changing = operations.filter(({ method }) => method === "PATCH" || method === "PUT");
  const without = changing.filter(({ conditional }) => conditional !== true);
  expect(without.map(({ id }) => id).toSorted()).toEqual(Object.keys(withoutCondition));
});
