import { beforeEach, describe, expect, it } from "vitest";
import { call, signUpAs } from "./support.ts";

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
    default: {
      const body = { url: "https://example.com/", events: ["*"] };
      const { endpoint } = (await call("POST", "/api/webhook-endpoints", body, { token })).body;
      const at = `/api/webhook-endpoints/${endpoint.id}`;
      return { at, first: { description: "B" }, second: { description: "C" }, token };
    }
  }
}

describe.each(["user", "team", "sender", "webhook endpoint"])("a %s", (kind) => {
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
