import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { lockStore } from "../../scripts/demo/break.ts";
import { eventually } from "../support/eventually.ts";
import {
  accessibilityProblems,
  layoutShift,
  READONLY_TOKEN,
  screenshot,
  useConsole,
} from "./support.ts";

const stage = useConsole();
const { open, signedIn, sink } = stage;
const api = (method: string, path: string, body?: unknown) => stage.luna.call(method, path, body);

const card = (page: Page, name: string) =>
  page.getByRole("listitem").filter({ has: page.getByRole("heading", { name, exact: true }) });
const write = async (page: Page, button: string, reason?: string): Promise<void> => {
  await page.getByRole("button", { name: button, exact: true }).click();
  const dialog = page.getByRole("dialog", { name: button });
  if (reason !== undefined) await dialog.getByLabel("Reason").fill(reason);
  await dialog.locator("button[type=submit]").click();
  await dialog.waitFor({ state: "detached" });
};

async function deadEmail(to: string): Promise<string> {
  sink.fault = (phase) =>
    phase === "rcpt" ? { phase, do: "refuse", code: 550, text: "5.7.1 blocked" } : null;
  const { id } = (await api("POST", "/api/emails", { to, subject: "Your receipt", text: "Thanks" }))
    .body;
  await eventually(async () =>
    expect((await api("GET", `/api/admin/email/dlq/${id}`)).status).toBe(200),
  );
  sink.fault = () => null;
  return String(id);
}

it("the runbook of unknown emails is still found under its former path", async () => {
  const page = await fetch(`${stage.luna.url}/console/runbooks/unknown-mails`);
  expect(page.url).toBe(`${stage.luna.url}/console/runbooks/unknown-emails`);
  expect(page.status).toBe(200);
});

describe("signing in", () => {
  it("takes a token by keyboard, keeps it over a reload, and forgets it with the tab", async () => {
    const page = await open("#/tasks");
    await page.getByLabel("Token").waitFor();
    await page.keyboard.type(stage.luna.token);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Tasks" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { level: 1, name: "Tasks" }).waitFor();
    expect(await page.evaluate("localStorage.length")).toBe(0);
    const other = await page.context().newPage();
    await other.goto(page.url());
    await other.getByLabel("Token").waitFor();
  });

  it("makes no request that is refused before a token is given", async () => {
    const page = await open();
    await page.getByLabel("Token").waitFor();
    const statuses = await page.evaluate<[string, number][]>(
      `performance.getEntriesByType("resource").map((one) => [one.name, one.responseStatus])`,
    );
    expect(statuses).toContainEqual([`${stage.luna.url}/`, 200]);
    expect(statuses.filter(([, status]) => status >= 400)).toEqual([]);
  });

  it("gives the reason why a token is refused, and shows nothing", async () => {
    const page = await open();
    await page.getByLabel("Token").fill("wrong-token-0123456789-0123456789-01");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText("This token is not valid.").waitFor();
    expect(await page.getByRole("navigation").count()).toBe(0);
  });

  it("with the read-only token shows everything, and disables every action", async () => {
    const page = await signedIn("#/breakers", {}, READONLY_TOKEN);
    const reset = page.getByRole("button", { name: "Reset cache" });
    await reset.waitFor();
    expect(await reset.isDisabled()).toBe(true);
    expect(await reset.getAttribute("title")).toBe("This token is read-only.");
  });

  it("is asked again, on the same page, when the token is no longer valid", async () => {
    const page = await signedIn("#/alerts");
    await page.getByRole("heading", { name: "Firing" }).waitFor();
    await page.route("**/api/admin/alerts", (route) =>
      route.fulfill({ status: 401, json: { title: "Unauthorized" } }),
    );
    await page.getByText("You were signed out").waitFor();
    await page.unroute("**/api/admin/alerts");
    await page.getByLabel("Token").fill(stage.luna.token);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Alerts" }).waitFor();
    expect(page.url()).toContain("#/alerts");
  });
});

it("a browser whose language is no language tag shows the console with its charts", async () => {
  const page = await signedIn("", { language: "en-US@posix" });
  await page.locator(".plot canvas").first().waitFor();
  expect(await page.evaluate("navigator.language")).toBe("en-GB");
});

it("an operator sees, understands and resets a breaker that opens because KV fails", async () => {
  await api("POST", "/api/users", { userId: "kv", email: "kv@example.com" });
  await eventually(async () => {
    await api("GET", "/api/users/kv");
    await lockStore(stage.stateDir, "kv").restore();
  });
  const page = await signedIn();
  const kv = lockStore(stage.stateDir, "kv");
  try {
    const opened = page.getByText("The circuit breaker of cache is open.");
    while ((await opened.count()) === 0) {
      await api("POST", "/api/admin/cache/invalidate", { userId: "kv" });
      // What is not answered without KV fails this test.
      for (const part of ["", "/permissions", "/usage"])
        expect((await api("GET", `/api/users/kv${part}`)).status).toBe(200);
    }
    await screenshot(page, "overview-kv-down");
  } finally {
    await kv.restore();
  }
  await page.getByRole("link", { name: "Runbook", exact: true }).first().click();
  await page.getByRole("heading", { level: 1, name: "KV is down, or slow" }).waitFor();
  expect(await accessibilityProblems(page)).toEqual([]);
  await screenshot(page, "runbook-1440-light");
  await page.goBack();
  await page.getByRole("link", { name: "See the breaker" }).first().click();
  await card(page, "cache").getByText("Open", { exact: true }).waitFor();
  await write(page, "Reset cache", "KV answers again");
  await card(page, "cache").getByText("Closed", { exact: true }).waitFor();
  await page.getByRole("button", { name: "History of cache" }).click();
  await page
    .getByRole("region", { name: "Transitions of cache" })
    .getByText("KV answers again")
    .waitFor();
  await page.getByRole("link", { name: "Audit" }).click();
  await page.getByRole("cell", { name: "resetCircuitBreaker" }).first().waitFor();
  await page.getByRole("cell", { name: "reason: KV answers again" }).waitFor();
});

it("an operator finds a dead email by recipient and replays it; it arrives once", async () => {
  const id = await deadEmail("late@example.com");
  const page = await signedIn("#/email");
  await page.getByLabel("Recipient or id of an email").fill("Late@example.com");
  await page.getByRole("button", { name: "Find" }).click();
  await page.getByRole("link", { name: "late@example.com" }).click();
  await page.getByText("550 5.7.1", { exact: false }).first().waitFor();
  await page.getByRole("link", { name: "To its dead letter" }).click();
  await page.getByRole("heading", { level: 1, name: "Dead letter" }).waitFor();
  await screenshot(page, "dead-letter-1440-light");
  expect(await accessibilityProblems(page)).toEqual([]);
  await write(page, "Replay");
  await page.getByRole("heading", { level: 1, name: "One email" }).waitFor();
  await page.locator(".lead").getByText("sent").waitFor();
  await page.getByText("Attempts since the replay", { exact: true }).waitFor();
  expect(sink.delivered.map(({ to }) => to)).toEqual(["late@example.com"]);
  expect(sink.copiesOf(id)).toBe(1);
  await screenshot(page, "one-email-1440-light");
});

it("dead letters of a filter are replayed with progress, discarded ones are not", async () => {
  const ids = await Promise.all([1, 2, 3].map((n) => deadEmail(`many-${n}@example.com`)));
  const page = await signedIn("#/dead-letters");
  await page.getByRole("link", { name: "many-1@example.com" }).click();
  await write(page, "Discard");
  await page.getByRole("heading", { level: 1, name: "Dead letters" }).waitFor();
  await page.getByRole("button", { name: "Count what would be replayed" }).click();
  await page.getByRole("button", { name: "Replay 2 emails" }).click();
  await page.getByText("Done: 2 of 2 queued again.").waitFor();
  await eventually(() =>
    expect(sink.delivered.map(({ to }) => to).toSorted()).toEqual([
      "many-2@example.com",
      "many-3@example.com",
    ]),
  );
  expect(sink.copiesOf(ids[0] ?? "")).toBe(0);
  await page.getByText("There is no dead letter.").waitFor();
});

it("a task is run now, a user is purged and an address suppressed", async () => {
  const page = await signedIn("#/tasks");
  await write(page, "Run now prune-history");
  await page.getByText("prune-history ran.").waitFor();
  await page.getByRole("link", { name: "Cache" }).click();
  await page.getByLabel("User", { exact: true }).fill("kv");
  await write(page, "Purge user kv");
  await page.getByText("The purge has number").waitFor();
  await page.getByRole("link", { name: "Suppressions" }).click();
  await page.getByRole("textbox", { name: "Address" }).fill("gone@example.com");
  await write(page, "Suppress gone@example.com", "asked by phone");
  await page.getByRole("cell", { name: "gone@example.com", exact: true }).waitFor();
  await write(page, "Lift gone@example.com");
  await page.getByText("No address is suppressed.").waitFor();
  // The console itself reads what the log has entries of.
  const done = (await api("GET", "/api/admin/audit")).body.items
    .map(({ operation }: { operation: string }) => operation)
    .filter((operation: string) => !/^(list|get)/.test(operation));
  expect(done.slice(0, 4)).toEqual(["unsuppress", "suppress", "invalidate", "runTask"]);
});

it("a list of suppressions is imported, found by its scope, exported and lifted", async () => {
  const page = await signedIn("#/suppressions");
  const csv = "address,scope\nnews@example.com,marketing\nall@example.com,\nnobody,\n";
  await page
    .getByLabel("CSV with the column address")
    .setInputFiles({ name: "list.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
  await write(page, "Import list.csv");
  await page.getByText("2 addresses added, 0 suppressed already, 1 refused.").waitFor();
  await page.getByText("Line 4: address must be one plain email address").waitFor();
  await page.getByRole("cell", { name: "all@example.com", exact: true }).waitFor();
  await page.getByRole("search").getByLabel("Scope").selectOption("marketing");
  await page.getByRole("cell", { name: "all@example.com" }).waitFor({ state: "detached" });
  await page.getByRole("cell", { name: "no marketing" }).waitFor();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Export as CSV" }).click(),
  ]);
  expect(readFileSync(await download.path(), "utf8")).toMatch(/\nnews@example\.com,[^\n]*\n$/);
  await write(page, "Lift all of them");
  await page.getByText("No suppression matches.").waitFor();
  const { items } = (await api("GET", "/api/admin/email/suppressions")).body;
  expect(items).toMatchObject([{ address: "all@example.com", scope: "all" }]);
});

it("a sender is added, shown with its state and deleted, and one of a tenant waits", async () => {
  await api("POST", "/api/users", { userId: "brand", email: "b@example.com" });
  // One of a tenant's, which is the admin here.
  await api("POST", "/api/senders", { domain: "b.example" });
  const page = await signedIn("#/senders");
  await page.getByRole("cell", { name: "pending" }).waitFor();
  await page.getByLabel("Address or domain").fill("news@acme.example");
  await page.getByLabel("Name (optional)").fill("Acme");
  await page.getByLabel("Tenant", { exact: false }).fill("user:brand");
  await write(page, "Add news@acme.example");
  const added = page.getByRole("cell", { name: "news@acme.example", exact: true });
  await added.waitFor();
  await page.getByText("trusted by an operator").waitFor();
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await screenshot(page, `senders-filled-${colorScheme}`);
  }
  expect(await accessibilityProblems(page)).toEqual([]);
  await write(page, "Delete news@acme.example");
  await page.getByText("news@acme.example is no sender any more.").waitFor();
  await added.waitFor({ state: "detached" });
});

const order = {
  subject: "Order {{order}} is on its way",
  html: '<h1 style="color: rgb(1, 2, 3)">Order {{order}}</h1>\n<p>{{carrier}} has it.</p>',
  example: { order: "1042", carrier: "Acme Post" },
};

it("a template is written with its preview, published, rolled back and deleted", async () => {
  const page = await signedIn("#/templates");
  await page.getByRole("cell", { name: "built in" }).first().waitFor();
  await page.getByLabel("Name, such as").fill("order-shipped");
  await page.keyboard.press("Enter");
  await page.getByLabel("Subject").fill(order.subject);
  await page.getByLabel("HTML", { exact: true }).fill("<p>{{#order}}</p>");
  await page.getByRole("alert").getByText("html is no Mustache template").waitFor();
  await page.getByLabel("HTML", { exact: true }).fill(order.html);
  await page.getByRole("alert").getByText("example.order is required").waitFor();
  expect(await page.getByRole("button", { name: "Store and publish" }).isDisabled()).toBe(true);
  await page.getByLabel("Example").fill(JSON.stringify(order.example));
  const shown = page.frameLocator("iframe.email").frameLocator("iframe");
  const heading = shown.getByRole("heading", { name: "Order 1042" });
  await heading.waitFor();
  expect(await page.frameLocator("iframe.email").locator("iframe").getAttribute("sandbox")).toBe(
    "",
  );
  const colour = `getComputedStyle(document.querySelector("h1")).color`;
  expect(await page.frames().at(-1)?.evaluate(colour)).toBe("rgb(1, 2, 3)");
  await write(page, "Store and publish order-shipped");
  const versions = page.getByRole("region", { name: "Versions", exact: false });
  await versions.getByText("published", { exact: true }).waitFor();
  await page.getByLabel("Subject").fill("Second {{order}}");
  await page.getByLabel("HTML", { exact: true }).fill(`${order.html}\n<p>Thank you.</p>`);
  await page.getByText("Second 1042").waitFor();
  await write(page, "Store and publish order-shipped");
  await versions.getByRole("button", { name: "Roll back to version 1" }).waitFor();
  for (const width of [1_440, 390])
    for (const colorScheme of ["light", "dark"] as const) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      // A frame that is out of sight is not painted.
      await page.locator("iframe.email").scrollIntoViewIfNeeded();
      await screenshot(page, `template-${width}-${colorScheme}`);
      expect(
        await page.evaluate<number>("document.documentElement.scrollWidth"),
      ).toBeLessThanOrEqual(width);
    }
  expect(await accessibilityProblems(page)).toEqual([]);
  await write(page, "Roll back to version 1");
  await versions.getByRole("button", { name: "Publish version 2" }).waitFor();
  await page.getByLabel("Address").fill("ops@example.com");
  await write(page, "Send version 1 to ops@example.com");
  await eventually(() =>
    expect(sink.delivered.map(({ email }) => email.subject)).toContain("Order 1042 is on its way"),
  );
  for (const width of [1_440, 390])
    for (const colorScheme of ["light", "dark"] as const) {
      await page.goto(`${stage.luna.url}/console/#/templates`);
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await page.getByRole("cell", { name: "version 1 published" }).waitFor();
      await screenshot(page, `templates-${width}-${colorScheme}`);
    }
  await page.getByRole("link", { name: "order-shipped" }).click();
  await write(page, "Delete order-shipped");
  await page.getByText("The template order-shipped is deleted.").waitFor();
  expect((await api("GET", "/api/admin/email/templates/order-shipped")).status).toBe(404);
});

it("a built-in template is shown, and edited into one that replaces it", async () => {
  const page = await signedIn("#/templates/welcome");
  await page.getByText("Edit from the built-in template").waitFor();
  const shown = page.frameLocator("iframe.email").frameLocator("iframe");
  await shown.getByRole("heading", { name: "Welcome, ada" }).waitFor();
  await page.getByLabel("HTML", { exact: true }).fill("<p>{{name}}</p>");
  await page.getByText("which the built-in template welcome has not").waitFor();
  expect(await page.getByRole("button", { name: "Store welcome" }).isDisabled()).toBe(true);
});

it("with the read-only token a template is shown and cannot be stored", async () => {
  const page = await signedIn("#/templates/welcome", {}, READONLY_TOKEN);
  const shown = page.frameLocator("iframe.email").frameLocator("iframe");
  await shown.getByRole("heading", { name: "Welcome, ada" }).waitFor();
  expect(await page.getByRole("button", { name: "Store welcome" }).isDisabled()).toBe(true);
});

async function inEachLook(page: Page, name: string): Promise<void> {
  for (const width of [390, 1_440])
    for (const colorScheme of ["light", "dark"] as const) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await screenshot(page, `${name}-${width}-${colorScheme}`);
    }
}

it("a job is shown with its next slot and dead runs, paused, replayed and deleted", async () => {
  const job = {
    name: "monthly-report",
    schedule: { cron: "30 2 1 * *" },
    timeZone: "Europe/Berlin",
    // Luna itself has no such path.
    target: { url: `${stage.luna.url}/no-such-path` },
    retries: { max: 0 },
    payload: { format: "pdf" },
  };
  await api("POST", "/api/admin/jobs", job);
  const later = { schedule: { at: "2099-01-01T00:00:00Z" }, target: job.target };
  await api("PUT", "/api/admin/jobs/deferred", later);
  await api("POST", "/api/admin/jobs/monthly-report/run");
  await eventually(async () =>
    expect((await api("GET", "/api/admin/jobs/monthly-report")).body.failures).toBe(1),
  );
  const page = await signedIn("#/jobs");
  await page.getByRole("button", { name: "Pause monthly-report" }).waitFor();
  expect(await page.getByRole("button", { name: "Pause sweep-outbox" }).count()).toBe(0);
  await inEachLook(page, "jobs-filled");
  await page.getByRole("link", { name: "monthly-report" }).click();
  await page.getByText("status 404", { exact: false }).first().waitFor();
  await inEachLook(page, "job");
  expect(await accessibilityProblems(page)).toEqual([]);
  await write(page, "Pause monthly-report");
  await page.getByText("monthly-report is paused.").waitFor();
  await write(page, "Resume monthly-report");
  await page.getByText("monthly-report has slots again.").waitFor();
  await write(page, "Replay all monthly-report");
  await page.getByText("The dead runs of monthly-report are due again.").waitFor();
  await write(page, "Delete monthly-report");
  await page.getByRole("link", { name: "deferred" }).waitFor();
  expect((await api("GET", "/api/admin/jobs/monthly-report")).status).toBe(404);
});

it("a write that fails after its dialog was closed is announced", async () => {
  const page = await signedIn("#/tasks");
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  await page.route("**/prune-history/run", async (route) => {
    await left;
    await route.fulfill({ status: 503, json: { title: "Unavailable", detail: "Gone." } });
  });
  await page.getByRole("button", { name: "Run now prune-history" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Run now" }).click();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  leave();
  expect(await page.locator(".announcement.bad span").textContent()).toBe(
    "Run now prune-history: Unavailable. Gone.",
  );
});

it("the overview shows a disabled breaker, which looks closed, and charts of a month", async () => {
  await api("POST", "/api/admin/circuit-breakers/email:resend/disable", { reason: "a drill" });
  const page = await signedIn();
  await page
    .getByText("An operator overrides the circuit breaker of email:resend: disabled")
    .waitFor();
  await page.getByRole("link", { name: "Lift the override" }).click();
  await write(page, "Lift override email:resend", "the drill is over");
  await page.getByRole("link", { name: "Overview" }).click();
  await page.getByText("All is well").waitFor();
  await page.getByLabel("How far back").selectOption("last 30 days");
  await page.getByText("Requests per hour").waitFor();
  expect(await accessibilityProblems(page)).toEqual([]);
});

it("a new filter begins at its first page", async () => {
  await api("POST", "/api/admin/circuit-breakers/cache/reset", { reason: "a drill" });
  const page = await signedIn();
  await page.route("**/api/admin/audit?*", async (route) => {
    const response = await route.fetch();
    await route.fulfill({
      response,
      json: { ...(await response.json()), nextCursor: `${Date.now() + 60_000}~0` },
    });
  });
  await page.getByRole("link", { name: "Audit" }).click();
  await Promise.all([
    page.waitForRequest(/audit\?.*cursor=/),
    page.getByRole("button", { name: "Next page" }).click(),
  ]);
  const [filtered] = await Promise.all([
    page.waitForRequest(/audit\?.*actor=/),
    page.getByRole("cell").getByRole("link").first().click(),
  ]);
  expect(filtered.url()).not.toContain("cursor=");
});

it("while the API does not answer the last answer stays, and polling continues", async () => {
  const page = await signedIn("#/breakers");
  await card(page, "database").waitFor();
  await page.route("**/api/admin/circuit-breakers", (route) =>
    route.fulfill({ status: 503, json: { title: "Unavailable", detail: "Gone." } }),
  );
  await page.getByRole("alert").getByText("The page shows an answer of").waitFor();
  expect(await card(page, "database").isVisible()).toBe(true);
  expect(await accessibilityProblems(page)).toEqual([]);
  await page.unroute("**/api/admin/circuit-breakers");
  await page.getByRole("alert").waitFor({ state: "detached" });
});

const pages = [
  "overview",
  "breakers",
  "cache",
  "email",
  "dead-letters",
  "suppressions",
  "users",
  "keys",
  "senders",
  "jobs",
  "webhooks",
  "heartbeats",
  "templates",
  "tasks",
  "alerts",
  "audit",
];

describe.each([380, 1_440])("at %d pixels", (width) => {
  it.each(["light", "dark"] as const)(
    "every page is accessible, fits and stands still, %s",
    async (colorScheme) => {
      const page = await signedIn("", { width, colorScheme });
      for (const name of pages) {
        await page.evaluate(`location.hash = "#/${name === "overview" ? "" : name}"`);
        await page.locator("main .skeleton").first().waitFor({ state: "detached" });
        await screenshot(page, `${name}-${width}-${colorScheme}`);
        // Each width in one scheme: what a rule sees depends on the one or on the other.
        const problems =
          (width === 380) === (colorScheme === "dark") ? await accessibilityProblems(page) : [];
        expect(problems, name).toEqual([]);
        expect(
          await page.evaluate<number>("document.documentElement.scrollWidth"),
          `${name} is too wide`,
        ).toBeLessThanOrEqual(width);
      }
      expect(await layoutShift(page)).toBeLessThan(0.1);
    },
  );
});
