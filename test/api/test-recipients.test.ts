import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { call } from "./support.ts";

const send = async (to: string | string[]) =>
  await call("POST", "/api/emails", { to, subject: "Hi", text: "Hi" });

it("emails to recipients of tests are accepted", async () => {
  expect((await send("delivered@luna.test")).status).toBe(202);
  expect((await send(["bounced+1@luna.test", "refused@luna.test"])).status).toBe(202);
});

it.each([
  ["beside others", ["delivered@luna.test", "ada@example.com"]],
  ["by a name that there is not", "nobody@luna.test"],
])("a recipient of tests %s is refused, and nothing is written", async (_, to) => {
  const count = async () => await env.DB.prepare("SELECT COUNT(*) FROM emails").first("COUNT(*)");
  const before = await count();
  const { status, body } = await send(to);
  expect(status).toBe(422);
  expect(body.errors).toMatchObject([{ path: "to" }]);
  expect(await count()).toBe(before);
});
