import { env } from "cloudflare:workers";
import { beforeEach, expect, it } from "vitest";
import { queueEmail } from "../support/emails.ts";
import { callWith } from "./support.ts";

/** Whether feedback is configured, as the API answers it. */

const db = env.DB;
const smtp = { BOUNCE_DOMAIN: "bounces.example.com", BOUNCE_SECRET: "s".repeat(32) };
const cloudflare = { CLOUDFLARE_FEEDBACK_DOMAINS: "luna.example" };
const none = {
  BOUNCE_DOMAIN: "",
  BOUNCE_SECRET: "",
  CLOUDFLARE_FEEDBACK_DOMAINS: "",
  SES_TOPIC_ARN: "",
  WEBHOOK_SECRET_RESEND: "",
};

beforeEach(async () => void (await db.prepare("DELETE FROM emails").run()));

async function sentBy(transport: string, status = "sent"): Promise<string> {
  const id = await queueEmail(db, Date.now());
  await db
    .prepare("UPDATE emails SET status = ?2, transport = ?3, sent_at = ?4 WHERE id = ?1")
    .bind(id, status, transport, status === "queued" ? null : Date.now())
    .run();
  return id;
}

it.each([
  ["smtp", none, "not-configured"],
  ["smtp", { ...none, ...smtp }, "configured"],
  ["smtp", { ...none, ...smtp, BOUNCE_SECRET: "short" }, "not-configured"],
  ["cloudflare", { ...none, ...smtp }, "not-configured"],
  ["cloudflare", { ...none, ...cloudflare }, "configured"],
  ["cloudflare", { ...none, CLOUDFLARE_FEEDBACK_DOMAINS: "other.example" }, "not-configured"],
])("an email that left by %s with %j has feedback %s", async (transport, vars, feedback) => {
  const id = await sentBy(transport);
  const call = callWith(vars);
  const one = (await call("GET", `/api/emails/${id}`)).body;
  expect([one.status, one.feedback]).toEqual(["sent", feedback]);
  expect((await call("GET", "/api/emails")).body.items[0].feedback).toBe(feedback);
});

it("an email that has not left has no such field, since another transport may take it", async () => {
  const id = await sentBy("smtp", "queued");
  expect((await callWith(smtp)("GET", `/api/emails/${id}`)).body).not.toHaveProperty("feedback");
});

it("the list of transports has whether each one reports", async () => {
  const { body } = await callWith({ ...none, ...cloudflare })("GET", "/api/admin/email/transports");
  const found = body.items.map((one: { name: string; feedback: string }) => [
    one.name,
    one.feedback,
  ]);
  expect(Object.fromEntries(found)).toEqual({
    smtp: "not-configured",
    cloudflare: "configured",
    resend: "not-configured",
    ses: "not-configured",
  });
});
