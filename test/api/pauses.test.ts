import { env } from "cloudflare:workers";
import { beforeEach, expect, it } from "vitest";
import { call } from "./support.ts";

beforeEach(async () => void (await env.DB.prepare("DELETE FROM email_pauses").run()));

const path = "/api/admin/email/pauses";
const scopes = async (): Promise<string[]> =>
  (await call("GET", path)).body.items.map(({ scope }: { scope: string }) => scope);

it("pauses are listed, and each ends by its scope", async () => {
  const reason = "a customer's loop";
  for (const scope of ["all", "tenant:user:a", "sender:News@Luna.example"])
    expect((await call("POST", path, { scope, reason })).status).toBe(201);
  expect(await scopes()).toEqual(["all", "sender:news@luna.example", "tenant:user:a"]);
  expect((await call("DELETE", `${path}/tenant%3Auser%3Aa`)).status).toBe(204);
  expect((await call("DELETE", `${path}/tenant%3Auser%3Aa`)).status).toBe(404);
  expect(await scopes()).toEqual(["all", "sender:news@luna.example"]);
});

it("a pause of a sender names its domain as emails have it", async () => {
  const body = { scope: "sender:hi@bücher.example", reason: "x" };
  await call("POST", path, body);
  expect(await scopes()).toEqual(["sender:hi@xn--bcher-kva.example"]);
});

it("a pause that is repeated keeps its beginning", async () => {
  const first = await call("POST", path, { scope: "all", reason: "one" });
  const again = await call("POST", path, { scope: "all", reason: "two" });
  expect(again.body).toEqual({ ...first.body, reason: "two" });
});

it.each([
  [{ scope: "everything", reason: "x" }, "scope"],
  [{ scope: "tenant:", reason: "x" }, "scope"],
  [{ scope: "sender:nobody", reason: "x" }, "scope"],
  [{ scope: "all" }, "reason"],
  [{ scope: "all", reason: "two\nlines" }, "reason"],
])("%j is refused by name, and nothing is paused", async (body, field) => {
  const answer = await call("POST", path, body);
  expect(answer.status).toBe(422);
  expect(answer.body.errors).toMatchObject([{ path: field }]);
  expect(await scopes()).toEqual([]);
});

it("an email that is paused shows it", async () => {
  const { body } = await call("POST", "/api/emails", {
    to: "a@example.com",
    subject: "x",
    text: "x",
  });
  await env.DB.prepare("UPDATE emails SET wait_class = 'paused' WHERE id = ?").bind(body.id).run();
  expect((await call("GET", `/api/emails/${body.id}`)).body.waiting).toEqual({
    reason: "paused",
    answers: 0,
  });
});
