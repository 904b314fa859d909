import type { Page } from "playwright-core";
import { beforeAll, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { accessibilityProblems, READONLY_TOKEN, screenshot, useConsole } from "./support.ts";

/** The pages of emails: search, content, timeline, counts and causes. */

const stage = useConsole();
const { signedIn, sink } = stage;
const api = (method: string, path: string, body?: unknown) => stage.luna.call(method, path, body);

const html = `<h1 style="color: rgb(0, 128, 0)">Welcome</h1>
  <p>Thank you. <a href="https://example.com">See your order</a></p>
  <img src="https://images.example/logo.png" alt="" width="20">
  <script>document.title = "it ran"; fetch("https://images.example/spy")</script>`;

async function send(email: Record<string, unknown>, status: string): Promise<string> {
  const { body } = await api("POST", "/api/emails", { text: "Thanks", ...email });
  await eventually(async () =>
    expect((await api("GET", `/api/emails/${body.id}`)).body.status).toBe(status),
  );
  return String(body.id);
}

async function dead(to: string, text: string): Promise<string> {
  sink.fault = (phase) => (phase === "rcpt" ? { phase, do: "refuse", code: 550, text } : null);
  const id = await send({ to, subject: "Your receipt" }, "dead");
  await eventually(async () =>
    expect((await api("GET", `/api/admin/email/dlq/${id}`)).status).toBe(200),
  );
  sink.fault = () => null;
  return id;
}

let welcome: string;

beforeAll(async () => {
  const headers = { "X-Campaign": "autumn" };
  const email = { to: "ada@example.com", subject: "Welcome to Luna", tags: ["welcome"] };
  welcome = await send({ ...email, html, headers }, "sent");
  await send({ to: "bob@example.com", subject: "Invoice 4711", tags: ["invoice"] }, "sent");
});

/** In both themes, at both widths: for a person to look at. Each must fit, and be accessible. */
async function look(page: Page, name: string): Promise<void> {
  for (const width of [1_440, 390]) {
    await page.setViewportSize({ width, height: 900 });
    // A browser paints no sandboxed frame that is out of sight.
    for (const frame of await page.locator("iframe").all()) await frame.scrollIntoViewIfNeeded();
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await screenshot(page, `emails-${name}-${width}-${colorScheme}`);
    }
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
    expect(await accessibilityProblems(page)).toEqual([]);
  }
  await page.setViewportSize({ width: 1_440, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

it("an operator searches by status, tag and subject, and the address keeps all of it", async () => {
  await api("POST", "/api/admin/scheduled-tasks/count-emails/run");
  const page = await signedIn("#/email");
  const found = page.getByRole("region", { name: "Emails, newest first" });
  await found.getByRole("link", { name: "bob@example.com" }).waitFor();
  await page.getByRole("list", { name: "Status" }).getByRole("link", { name: "sent" }).click();
  await page.locator(".chips [aria-current]").getByText("sent").waitFor();
  await page.getByLabel("Tag", { exact: true }).fill("welcome");
  await page.getByLabel("Subject begins with").fill("WELCOME");
  await page.getByRole("button", { name: "Find" }).click();
  await found.getByRole("link", { name: "bob@example.com" }).waitFor({ state: "detached" });
  const address = page.url();
  expect(address).toContain("status=sent");
  expect(address).toContain("tag=welcome&subject=WELCOME");
  await page.getByRole("region", { name: "by tag" }).getByText("invoice").waitFor();
  await look(page, "search");
  await found.getByRole("link", { name: "ada@example.com" }).click();
  await page.getByRole("heading", { name: "Timeline" }).waitFor();
  await page.reload();
  await page.getByRole("link", { name: "Back to the emails" }).click();
  await found.getByRole("link", { name: "ada@example.com" }).waitFor();
  expect(new URLSearchParams(page.url().split("?")[1])).toEqual(
    new URLSearchParams(address.split("?")[1]),
  );
});

it("a search that looks at many emails goes on by itself, and shows how far it looked", async () => {
  const page = await signedIn();
  let asked = 0;
  const searchedBackTo = new Date(Date.now() - 86_400_000).toISOString();
  await page.route("**/api/emails?*", (route) => {
    asked += 1;
    return route.fulfill({ json: { items: [], nextCursor: `${asked}~x`, searchedBackTo } });
  });
  await page.evaluate(`location.hash = "#/email?subject=Nothing"`);
  await page.getByText("Up to 10,000 emails were looked at").waitFor();
  expect(asked).toBe(10);
  await page.getByRole("button", { name: "Next page" }).click();
  await eventually(() => expect(asked).toBe(20));
  expect(page.url()).toContain("cursor=10%7Ex");
});

it("the content of an email runs no script, and loads remote images only if asked", async () => {
  const page = await signedIn();
  const loaded: string[] = [];
  await page.context().route("https://images.example/**", (route) => {
    loaded.push(new URL(route.request().url()).pathname);
    return route.fulfill({ contentType: "image/svg+xml", body: "<svg/>" });
  });
  await page.evaluate(`location.hash = "#/email/${welcome}"`);
  const frame = page.frameLocator("iframe.email").frameLocator("iframe");
  const heading = frame.getByRole("heading", { name: "Welcome" });
  await heading.waitFor();
  const color = `getComputedStyle(document.querySelector("h1")).color`;
  expect(await heading.evaluate(color)).toBe("rgb(0, 128, 0)");
  await look(page, "content");
  // Another message to the page around it, as those looks send, changes nothing.
  expect(await heading.isVisible()).toBe(true);
  expect(loaded).toEqual([]);
  await page.getByRole("button", { name: "Load remote images" }).click();
  await eventually(() => expect(loaded).toEqual(["/logo.png"]));
  expect(await page.title()).not.toContain("it ran");
  const policy = await page.evaluate<string>(
    `fetch("./").then((page) => page.headers.get("Content-Security-Policy"))`,
  );
  expect(policy).not.toContain("unsafe");
  const parts = page.getByRole("list", { name: "Part" });
  await parts.getByRole("link", { name: "headers" }).click();
  await page.getByText("X-Campaign").waitFor();
  expect(page.url()).toContain("show=headers");
  await parts.getByRole("link", { name: "text" }).click();
  await page.getByText("Thanks").waitFor();
});

it("the read-only token sees no content of an email", async () => {
  const page = await signedIn(`#/email/${welcome}`, {}, READONLY_TOKEN);
  await page.getByText("The role viewer gets no content").waitFor();
  expect(await page.locator("iframe").count()).toBe(0);
});

it("dead letters of one cause are replayed together, and those of another stay", async () => {
  const ids = [
    await dead("x@example.com", "5.7.1 blocked"),
    await dead("y@example.com", "5.7.1 blocked: y"),
  ];
  const other = await dead("z@example.com", "5.3.4 too large");
  const page = await signedIn("#/dead-letters");
  const causes = page.getByRole("region", { name: "Dead emails by cause" });
  await causes.getByRole("button", { name: "Replay these 2" }).waitFor();
  await look(page, "causes");
  await page.evaluate(`location.hash = "#/email/${other}"`);
  await page.getByRole("heading", { name: "Attempt 1" }).waitFor();
  await look(page, "dead");
  await page.goBack();
  await causes.getByRole("button", { name: "Replay these 2" }).click();
  const dialog = page.getByRole("dialog", { name: "Replay 2 emails" });
  await dialog.getByRole("button", { name: "Replay these 2" }).click();
  await page.getByText("2 emails queued again.").waitFor();
  for (const id of ids)
    await eventually(async () =>
      expect((await api("GET", `/api/emails/${id}`)).body.status).toBe("sent"),
    );
  await causes.getByRole("button", { name: "Replay these 1" }).waitFor();
  expect(sink.copiesOf(other)).toBe(0);
});
