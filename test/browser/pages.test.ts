import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { callApi } from "../support/http.ts";
import { accessibilityProblems, screenshot, useConsole } from "./support.ts";

/** The pages of the API itself, as a person sees them in a browser. */

const stage = useConsole();
const { open, sink } = stage;
const api = (method: string, path: string, body: unknown, token = stage.luna.token) =>
  callApi((at, init) => fetch(`${stage.luna.url}${at}`, init), { method, path, body, token });

/** A link that an email carries, once the email has arrived. */
async function linkTo(to: string, pattern: RegExp): Promise<string> {
  return await eventually(() => {
    const arrived = sink.delivered.filter((one) => one.to === to);
    const [link] = arrived.flatMap(({ email: { text, headers } }) => {
      const carried = [text, ...headers.map(({ value }) => value)].join("\n");
      return pattern.exec(carried) ?? [];
    });
    expect(link).toBeDefined();
    return String(link);
  });
}

async function unsubscribeLink(): Promise<string> {
  const email = { to: "news@example.com", subject: "News", text: "Hi", category: "notification" };
  await api("POST", "/api/emails", email);
  return await linkTo(email.to, /\/unsubscribe\/[\w.-]+/);
}

let users = 0;
async function confirmLink(): Promise<string> {
  const userId = `mover-${(users += 1)}`;
  const signedUp = await api("POST", "/api/users", { userId, email: `${userId}@example.com` });
  const email = `${userId}@example.org`;
  await api("PATCH", `/api/users/${userId}`, { email }, signedUp.body.apiKey);
  return await linkTo(email, /\/confirm-address\/[\w-]+/);
}

async function verifyLink(): Promise<string> {
  const userId = `sending-${(users += 1)}`;
  const signedUp = await api("POST", "/api/users", { userId, email: `${userId}@example.com` });
  await api("PATCH", `/api/users/${userId}`, { scopes: ["emails:send"] });
  const address = `${userId}@example.org`;
  await api("POST", "/api/senders", { address }, signedUp.body.apiKey);
  return await linkTo(address, /\/verify-sender\/[\w-]+/);
}

const pages: [name: string, heading: string | RegExp, link: () => Promise<string>][] = [
  ["start", "Luna is running", async () => "/"],
  ["unknown", "There is no page here", async () => "/nope"],
  ["console-unknown", "There is no page here", async () => "/console/nope"],
  ["runbook-unknown", "There is no page here", async () => "/console/runbooks/nope"],
  ["unsubscribe", "Unsubscribe", unsubscribeLink],
  ["unsubscribe-unknown", "Not found", async () => "/unsubscribe/x"],
  ["confirm-address", /address/, confirmLink],
  ["verify-sender", /sender/, verifyLink],
];

describe.each(pages)("the page %s", (name, heading, link) => {
  it.each([
    [1_440, "light"],
    [390, "dark"],
  ] as const)("is accessible and fits at %d pixels, %s", async (width, colorScheme) => {
    const path = await link();
    const page = await open("", { width, colorScheme });
    await page.goto(`${stage.luna.url}${path}`);
    await page.getByRole("heading", { level: 1, name: heading }).waitFor();
    await screenshot(page, `page-${name}-${width}-${colorScheme}`);
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
  });
});

it("from an old runbook's address a person gets to the runbooks, the start and the console", async () => {
  const page = await open();
  await page.goto(`${stage.luna.url}/console/runbooks/nope`);
  await page.getByRole("link", { name: "Runbooks" }).click();
  await page.getByRole("heading", { level: 1, name: "Runbooks" }).waitFor();
  await page.goBack();
  await page.getByRole("link", { name: "Start" }).click();
  await page.getByRole("link", { name: "Console" }).click();
  await page.getByLabel("Token").waitFor();
  expect(new URL(page.url()).pathname).toBe("/console/");
});

it("the first call of the start page, as it is shown, sends an email", async () => {
  const page = await open();
  await page.goto(stage.luna.url);
  const shown = (await page.locator("pre").textContent()) ?? "";
  const env = { ...process.env, TOKEN: stage.luna.token };
  const answer = execFileSync("sh", ["-c", shown], { encoding: "utf8", env });
  expect(JSON.parse(answer)).toMatchObject({ status: "queued" });
  await eventually(() => expect(sink.delivered.map(({ to }) => to)).toEqual(["you@example.com"]));
});

it("a person unsubscribes and confirms an address with one press each", async () => {
  const page = await open();
  await page.goto(`${stage.luna.url}${await unsubscribeLink()}`);
  await page.getByRole("button", { name: "Unsubscribe" }).click();
  await page.getByRole("heading", { name: "You are unsubscribed" }).waitFor();
  await screenshot(page, "page-unsubscribed");
  await page.goto(`${stage.luna.url}${await confirmLink()}`);
  await page.getByRole("button").click();
  await page.getByRole("heading", { level: 1, name: /confirmed/ }).waitFor();
  await screenshot(page, "page-address-confirmed");
  expect(await accessibilityProblems(page)).toEqual([]);
});
