import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { sha256Hex } from "../../shared/lib/base/hash.ts";
import { call, callWith, signUpAs } from "./support.ts";

/** One trial per address, also across accounts. */

const subscriptionOf = async (userId: string) =>
  (await call("GET", `/api/users/${userId}/subscription`)).body;
const erase = async (userId: string) =>
  expect((await call("DELETE", `/api/users/${userId}`)).status).toBe(204);
const over = { tier: "free", status: "cancelled" };
const trialing = { tier: "pro", status: "trialing" };

it("a new account with the address of a deleted one has no second trial", async () => {
  const { userId, email } = await signUpAs("pro");
  expect(await subscriptionOf(userId)).toMatchObject(trialing);
  await erase(userId);
  const again = await call("POST", "/api/users", {
    userId: `${userId}-again`,
    email: email.toUpperCase(),
    tier: "enterprise",
  });
  expect(again).toMatchObject({ status: 201, body: { user: { tier: "free" } } });
  const { createdAt } = again.body.user;
  expect(await subscriptionOf(`${userId}-again`)).toMatchObject({
    ...over,
    trialEndsAt: createdAt,
    endedAt: createdAt,
  });
  const welcome = await env.DB.prepare(
    `SELECT c.text FROM emails e JOIN email_contents c ON c.email_id = e.id
     WHERE e.to_address = ? ORDER BY c.rowid DESC`,
  )
    .bind(email)
    .first<string>("text");
  expect(welcome).not.toContain("enterprise");
  const { body } = await call("PATCH", `/api/users/${userId}-again`, { tier: "pro" });
  expect(body.user.tier, "who pays needs no trial").toBe("pro");
  expect(await subscriptionOf(`${userId}-again`)).toMatchObject({ tier: "pro", status: "active" });
});

it("neither has one with an address to which the account had changed, nor with the first", async () => {
  const first = await signUpAs("pro");
  const changed = `changed-${first.email}`;
  await call("PATCH", `/api/users/${first.userId}`, { email: changed });
  await erase(first.userId);
  for (const [n, email] of [first.email, changed].entries()) {
    const { userId } = await signUpAs("pro", { userId: `${first.userId}-${n}`, email });
    expect(await subscriptionOf(userId), email).toMatchObject(over);
  }
});

it("nor after an account that is older than the list of trials", async () => {
  const { userId, email } = await signUpAs("pro");
  await env.DB.prepare("DELETE FROM trial_addresses").run();
  await erase(userId);
  const again = await signUpAs("pro", { userId: `${userId}-again`, email });
  expect(await subscriptionOf(again.userId)).toMatchObject(over);
});

it("an account that never had a trial leaves its address a first one", async () => {
  const { userId, email } = await signUpAs("free");
  await erase(userId);
  const again = await signUpAs("pro", { userId: `${userId}-again`, email });
  expect(await subscriptionOf(again.userId)).toMatchObject(trialing);
});

const DAY_MS = 86_400_000;

async function signedUpWith(changes: Partial<typeof env>, userId: string, tier: string) {
  const user = { userId, email: `${userId}@example.com`, tier };
  expect((await callWith(changes)("POST", "/api/users", user)).status).toBe(201);
  const { startedAt, ...subscription } = await subscriptionOf(userId);
  const started = Date.parse(startedAt);
  const text = await env.DB.prepare(
    `SELECT c.text FROM emails e JOIN email_contents c ON c.email_id = e.id
     WHERE e.to_address = ?`,
  )
    .bind(user.email)
    .first<string>("text");
  return { started, subscription, text };
}

it("a trial has the days that are set", async () => {
  const { started, subscription } = await signedUpWith({ TRIAL_DAYS: "30" }, "thirty", "pro");
  expect(subscription).toMatchObject(trialing);
  expect(Date.parse(subscription.trialEndsAt)).toBe(started + 30 * DAY_MS);
});

it("without trials a paid tier is active at once", async () => {
  const { subscription } = await signedUpWith({ TRIAL_DAYS: "0" }, "none", "enterprise");
  expect(subscription).toMatchObject({ tier: "enterprise", status: "active", trialEndsAt: null });
});

it("the welcome email has the name of the tier that is set", async () => {
  const named = { TIER_NAMES: "Starter, Team, Business" };
  const { text, subscription } = await signedUpWith(named, "team", "pro");
  expect(text).toContain("on the Team plan");
  expect(subscription.tier).toBe("pro");
});

it("the list of trials has keyed hashes, not addresses", async () => {
  await env.DB.prepare("DELETE FROM trial_addresses").run();
  const { email } = await signUpAs("pro");
  const { results } = await env.DB.prepare("SELECT * FROM trial_addresses").all();
  expect(results).toHaveLength(1);
  const stored = JSON.stringify(results);
  expect(stored).not.toContain(email);
  expect(stored).not.toContain(await sha256Hex(email));
});
