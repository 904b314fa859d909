import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { callApi } from "../support/http.ts";
import { READONLY_TOKEN, inBothThemes, useConsole } from "./support.ts";

/** The pages of users, teams and keys. */

const stage = useConsole();
const { signedIn } = stage;

const api = (method: string, path: string, body?: unknown, token = stage.luna.token) =>
  callApi((at, init) => fetch(`${stage.luna.url}${at}`, init), { method, path, body, token });

async function write(page: Page, button: string, reason?: string): Promise<void> {
  await page.getByRole("button", { name: button, exact: true }).click();
  const dialog = page.getByRole("dialog");
  if (reason !== undefined) await dialog.getByLabel("Reason").fill(reason);
  await dialog.locator("button[type=submit]").click();
  await dialog.waitFor({ state: "detached" });
}

/** The secret, which is in sight, once the page no longer has it. */
async function stored(page: Page): Promise<string> {
  const secret = page.locator("code.secret");
  const text = await secret.innerText();
  const { y = -1 } = (await secret.boundingBox()) ?? {};
  expect(y).toBeGreaterThan(0);
  expect(y).toBeLessThan(900);
  await page.getByRole("button", { name: "I have stored it" }).click();
  await secret.waitFor({ state: "detached" });
  return text;
}

it("a user is found by the beginning of an address, suspended with a reason, and resumed", async () => {
  const metadata = { source: "<img src=x onerror=alert(1)>" };
  for (const userId of ["ada", "grace"])
    await api("POST", "/api/users", { userId, email: `${userId}@example.com`, metadata });
  const page = await signedIn("#/users");
  await page.getByRole("link", { name: "grace" }).waitFor();
  await inBothThemes(page, "users");
  await page.getByLabel("Beginning of the address").fill("Ada@");
  await page.getByRole("button", { name: "Find" }).click();
  await page.getByRole("link", { name: "grace" }).waitFor({ state: "detached" });
  expect(page.url()).toMatch(/#\/users\?address=Ada%40$/);
  await page.getByRole("link", { name: "ada", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "User" }).waitFor();
  await page.getByText(metadata.source).waitFor();
  await page.getByText("The user is in no team.").waitFor();
  await write(page, "Suspend", "They send spam");
  await page.getByText("suspended: They send spam").waitFor();
  await inBothThemes(page, "user-suspended");
  expect((await api("GET", "/api/users/ada")).body.user.suspended.reason).toBe("They send spam");
  await write(page, "Resume");
  await page.getByText("active", { exact: true }).waitFor();
  await page.getByRole("link", { name: "Emails of this user" }).click();
  await page.getByRole("heading", { level: 1, name: "Email" }).waitFor();
  expect(page.url()).toMatch(/#\/email\?tenant=user%3Aada$/);
});

it("a key of a user is shown once, rotated and revoked", async () => {
  await api("POST", "/api/users", { userId: "keys", email: "keys@example.com" });
  const page = await signedIn("#/users/keys");
  await page.getByText("There is no key.").waitFor();
  await page.getByLabel("Name").fill("Batch jobs");
  await page.getByLabel("users:read").check();
  await page.setViewportSize({ width: 390, height: 900 });
  await write(page, "Create Batch jobs");
  const first = await stored(page);
  expect((await api("GET", "/api/me", undefined, first)).status).toBe(200);
  await page.getByRole("cell", { name: "users:read" }).waitFor();
  await write(page, "Rotate Batch jobs");
  const second = await stored(page);
  expect(second).not.toBe(first);
  await page.getByText("the former one works until").waitFor();
  await inBothThemes(page, "user-keys");
  await write(page, "Revoke Batch jobs");
  await page.getByText("There is no key.").waitFor();
  expect((await api("GET", "/api/me", undefined, second)).status).toBe(401);
});

it("the first key of a user is replaced and revoked", async () => {
  await api("POST", "/api/users", { userId: "first", email: "first@example.com" });
  const page = await signedIn("#/users/first");
  await write(page, "Replace the first key");
  const token = await stored(page);
  expect((await api("GET", "/api/me", undefined, token)).status).toBe(200);
  await write(page, "Revoke the first key");
  await page.getByText("It is revoked.").waitFor();
  expect((await api("GET", "/api/me", undefined, token)).status).toBe(401);
});

it("keys that are not known are not shown as none, and a user that is not there is named", async () => {
  await api("POST", "/api/users", { userId: "unknown", email: "unknown@example.com" });
  const page = await signedIn("#/users");
  await page.route("**/unknown/api-keys?*", (route) =>
    route.fulfill({ status: 503, json: { title: "Unavailable", detail: "Gone." } }),
  );
  await page.getByRole("link", { name: "unknown" }).click();
  await page.getByRole("alert").getByText("There is no answer yet.").waitFor();
  expect(await page.getByText("There is no key.").count()).toBe(0);
  await page.evaluate('location.hash = "#/users/nobody"');
  await page.getByText("There is no user nobody.").waitFor();
});

it("a team is reached from its member, with its members and keys", async () => {
  const email = "owner@example.com";
  const signedUp = await api("POST", "/api/users", { userId: "owner", email, tier: "pro" });
  const name = "Analytical engines";
  const made = await api("POST", "/api/teams", { name }, signedUp.body.apiKey);
  const { teamId } = made.body.team;
  await api("POST", `/api/teams/${teamId}/api-keys`, { name: "CI", scopes: ["emails:send"] });
  const page = await signedIn("#/users/owner");
  await page.getByRole("link", { name }).click();
  await page.getByRole("heading", { level: 1, name: "Team" }).waitFor();
  await page.getByRole("cell", { name: "emails:send" }).waitFor();
  expect(await page.getByRole("link", { name: "find" }).getAttribute("href")).toContain(
    `tenant=team%3A${teamId}`,
  );
  await inBothThemes(page, "team");
  await page.getByRole("link", { name: "owner", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "User" }).waitFor();
});

it("an operator's key has a role or scopes, and may expire", async () => {
  const page = await signedIn("#/keys");
  await page.getByText("There is no key.").waitFor();
  const create = page.getByRole("button", { name: /^Create/ });
  await page.getByLabel("Name").fill("Night shift");
  expect(await create.isDisabled()).toBe(true);
  await page.getByLabel("Role").selectOption("support");
  await write(page, "Create Night shift");
  const token = await stored(page);
  await page.getByLabel("Name").fill("Metrics");
  await page.getByLabel("Expires").fill("2099-01-01");
  for (const scope of ["system:read", "audit:read", "jobs:read", "emails:read"])
    await page.getByLabel(scope).check();
  await write(page, "Create Metrics");
  await stored(page);
  await page.getByText("4 scopes").waitFor();
  await page.getByText("role support").waitFor();
  await inBothThemes(page, "keys");
  await write(page, "Revoke Metrics");
  await page.getByText("4 scopes").waitFor({ state: "detached" });

  const support = await signedIn("#/users", {}, token);
  await support.getByRole("search").waitFor();
  await support.getByRole("link", { name: "Keys", exact: true }).click();
  await support.getByText("it lacks the scope keys:read").waitFor();
});

it("with the read-only token, what a viewer may not read is named and never asked for", async () => {
  const page = await signedIn("#/alerts", {}, READONLY_TOKEN);
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  for (const [name, scope] of [
    ["Users", "users:read"],
    ["Keys", "keys:read"],
  ] as const) {
    await page.getByRole("link", { name, exact: true }).click();
    await page.getByText(`The role viewer may not do this: it lacks the scope ${scope}.`).waitFor();
  }
  await inBothThemes(page, "users-not-allowed");
  expect(asked.filter((url) => /users|api-keys/.test(url))).toEqual([]);
});
