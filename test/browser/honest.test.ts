import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { accessibilityProblems, screenshot, useConsole } from "./support.ts";

/** The console shows what is true, in calm and in failure. */

const stage = useConsole();
const { signedIn, open, sink } = stage;
const api = (method: string, path: string, body?: unknown) => stage.luna.call(method, path, body);

const card = (page: Page, name: string) =>
  page.getByRole("listitem").filter({ has: page.getByRole("heading", { name, exact: true }) });
const part = (page: Page, name: string) =>
  page
    .locator(".parts li")
    .filter({ has: page.getByRole("link", { name, exact: true }) })
    .locator(".state");
const look = async (page: Page, name: string): Promise<void> => {
  for (const width of [1_440, 390]) {
    await page.setViewportSize({ width, height: 900 });
    await screenshot(page, `honest-${name}-${width}`);
  }
  await page.setViewportSize({ width: 1_440, height: 900 });
};

async function smtpIsDown(): Promise<void> {
  sink.fault = (phase) =>
    phase === "connect" ? { phase, do: "refuse", code: 421, text: "4.3.2 shutting down" } : null;
  let sent = 0;
  await eventually(async () => {
    sent += 1;
    const to = `waiting-${sent}@example.com`;
    await api("POST", "/api/emails", { to, subject: "Your receipt", text: "Thanks" });
    const { states } = (await api("GET", "/health")).body.checks.breakers;
    expect(states["email:smtp"]).toBe("OPEN");
  });
}

it("while no channel is configured, pages show that nobody is notified, and show no notice time", async () => {
  const page = await signedIn("#/alerts");
  const at = new Date(Date.now() - 35_000).toISOString();
  const alert = { key: "email:dead", summary: "3 dead letters", since: at, firedAt: at };
  await page.route("**/api/admin/alerts", (route) =>
    route.fulfill({
      json: {
        firing: [alert],
        notices: [{ id: "n", key: alert.key, kind: "fired", summary: alert.summary, at }],
        channels: [],
      },
    }),
  );
  const firing = page.getByRole("region", { name: "Firing alerts" });
  await firing.getByText("nobody", { exact: true }).waitFor();
  await page.getByText("No alert channel is configured").waitFor();
  await page.getByText("ALERT_WEBHOOK_URL").waitFor();
  // Only "Since" has a time: the notice reached nobody.
  expect(await firing.locator("time").count()).toBe(1);
  expect(await accessibilityProblems(page)).toEqual([]);
  await look(page, "alerts-unheard");
  await page.getByRole("link", { name: "Overview" }).click();
  await page.getByText("No alert channel is configured").waitFor();
});

it("a notice that a channel took shows when, and a channel that has not taken it", async () => {
  const page = await signedIn("#/alerts");
  const at = new Date(Date.now() - 35_000).toISOString();
  const alert = { key: "email:dead", summary: "3 dead letters", since: at, firedAt: at };
  await page.route("**/api/admin/alerts", (route) =>
    route.fulfill({
      json: { firing: [{ ...alert, webhookAt: at }], notices: [], channels: ["email", "webhook"] },
    }),
  );
  const firing = page.getByRole("region", { name: "Firing alerts" });
  await firing.getByText("email: not yet").waitFor();
  await firing.getByText(/webhook \d+ (s|min) ago/).waitFor();
  expect(await page.getByText("No alert channel is configured").count()).toBe(0);
});

it("a breaker that recovers by itself needs no person, and many 5xx are not 'All is well'", async () => {
  const page = await signedIn();
  await page.getByText("All is well").waitFor();
  const outage = {
    since: new Date(Date.now() - 60_000).toISOString(),
    reason: "5 of 5 calls failed: connect ECONNREFUSED 127.0.0.1:9",
  };
  let isOpen = true;
  await page.route("**/api/admin/circuit-breakers", async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    for (const one of body.items)
      if (one.name === "cache" && isOpen)
        Object.assign(one, { state: "OPEN", retryAfterMs: 19_000, outage });
    await route.fulfill({ response, json: body });
  });
  await page.getByText("1 part is down, Luna is handling it").waitFor();
  await page.getByText("Luna is handling it, since").waitFor();
  expect(await page.title()).toBe("Overview · Luna console");

  isOpen = false;
  await page.getByText("All is well").waitFor();
  await page.route("**/api/admin/telemetry**", async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    body.series.requests[body.series.requests.length - 2] = 1_000;
    body.series.errors5xx[body.series.errors5xx.length - 2] = 5;
    await route.fulfill({ response, json: body });
  });
  await page.getByText(/5 answers of [\d,]+ requests were 5xx in the last 10 min\./).waitFor();
  await page.getByText("1 thing needs you").waitFor();
  expect(await page.getByText("All is well").count()).toBe(0);
});

describe("while the only mail server is down", () => {
  it("email is not green, emails wait in sight, and the breaker states cause and next probe", async () => {
    await smtpIsDown();
    const page = await signedIn();
    await page
      .getByText(/Luna is handling it|needs? you/)
      .first()
      .waitFor();
    await page.getByText(/circuit breaker of email:smtp is (open|half-open)/).waitFor();
    await page.getByText(/\d+ emails? waiting, none lost/).waitFor();
    await page.getByText("4.3.2 shutting down").first().waitFor();
    expect(await part(page, "Email").getAttribute("class")).not.toContain("good");
    await part(page, "Email").getByText("smtp is down").waitFor();
    await look(page, "overview-smtp-down");
    expect(await accessibilityProblems(page)).toEqual([]);

    await page.getByRole("link", { name: "Email", exact: true }).first().click();
    await page.getByText(/circuit breaker of email:smtp is (open|half-open)/).waitFor();
    await page.getByText("Waiting for the next try").waitFor();
    await look(page, "email-smtp-down");
    expect(await accessibilityProblems(page)).toEqual([]);

    await page.getByRole("link", { name: "Circuit breakers" }).click();
    const smtp = card(page, "email:smtp");
    await smtp.getByText("Not closed since").waitFor();
    await smtp.getByText("4.3.2 shutting down").first().waitFor();
    await smtp.getByText(/Next probe in|The next call is the probe|A probe is running/).waitFor();
    expect(await smtp.getByText("0 failures").count()).toBe(0);
    // What is broken comes first.
    expect(await page.locator(".card h2").first().textContent()).toBe("email:smtp");
    await look(page, "breakers-smtp-down");
    expect(await accessibilityProblems(page)).toEqual([]);

    sink.fault = () => null;
    await api("POST", "/api/admin/circuit-breakers/email:smtp/reset", { reason: "it is back" });
    await smtp.getByText("Closed", { exact: true }).waitFor();
  });
});

it("a limit that closes the only transport is shown with its end and its answer, and an operator ends it", async () => {
  const text = "4.7.0 rate limit, try again in 300 seconds";
  sink.fault = (phase) => (phase === "data" ? { phase, do: "refuse", code: 454, text } : null);
  const email = { to: "limited@example.com", subject: "Your receipt", text: "Thanks" };
  const { id } = (await api("POST", "/api/emails", email)).body;
  await eventually(async () => {
    const { items } = (await api("GET", "/api/admin/email/transports")).body;
    expect(items.find(({ name }: { name: string }) => name === "smtp").closed).toBeDefined();
  });
  const page = await signedIn("#/email");
  const row = page.getByRole("row").filter({ hasText: "closed by a limit" });
  await row.getByText("try again in 300 seconds").waitFor();
  await look(page, "email-limit");
  expect(await accessibilityProblems(page)).toEqual([]);

  sink.fault = () => null;
  await row.getByRole("button", { name: "End smtp" }).click();
  await page.getByLabel("Reason, for the history").fill("a larger plan");
  await page.getByRole("dialog").getByRole("button", { name: "End" }).click();
  await page.getByRole("row").filter({ hasText: "no limit" }).waitFor();
  await eventually(async () =>
    expect((await api("GET", `/api/emails/${id}`)).body.status).toBe("sent"),
  );
});

it("a transport that is not set is not used: grey, not green", async () => {
  const page = await signedIn("#/breakers");
  await card(page, "cache").waitFor();
  const states = await page
    .locator(".card")
    .evaluateAll((cards) =>
      cards.map((one) => [
        one.querySelector("h2")?.textContent,
        one.querySelector(".state")?.className,
        one.querySelector(".state")?.textContent,
      ]),
    );
  expect(states).toEqual([
    ...["database", "email:smtp", "cache"].map((name) => [name, "state good", "Closed"]),
    ...["email:cloudflare", "email:resend", "email:ses", "alerts:webhook"].map((name) => [
      name,
      "state idle",
      "Not used",
    ]),
  ]);
});

it("the cache is not green while the breaker of KV is open", async () => {
  await api("POST", "/api/admin/circuit-breakers/cache/open", { reason: "a drill" });
  const page = await signedIn();
  await part(page, "Cache").getByText("KV is down").waitFor();
  expect(await part(page, "Cache").getAttribute("class")).toContain("bad");
  await page.getByText("1 thing needs you").waitFor();
  await eventually(async () => expect(await page.title()).toBe("(1) Overview · Luna console"));
  await page.getByRole("link", { name: "Cache", exact: true }).first().click();
  await page.getByText("Forced open", { exact: true }).waitFor();
  await look(page, "cache-kv-down");
  await api("POST", "/api/admin/circuit-breakers/cache/reset", { reason: "the drill is over" });
});

it("a filter that a page cannot apply is named, and nothing is shown as if it was applied", async () => {
  const page = await signedIn("#/email?status=gone");
  await page.getByText('"gone" is no value of the filter "status"').waitFor();
  expect(await page.getByRole("search").count()).toBe(0);
  await look(page, "wrong-filter");
  await page.getByRole("link", { name: "Show the page without filters" }).click();
  const search = page.getByRole("search");
  await search.getByLabel("Recipient or id of an email").fill("customer");
  await search.getByRole("button", { name: "Find" }).click();
  await search.getByText('"customer" is neither a whole address nor the id').waitFor();
  expect(page.url()).toMatch(/#\/email$/);
});

it("the range of the charts is in the address", async () => {
  const page = await signedIn("#/cache?range=day");
  await page.getByText("Reads per hour").waitFor();
  await page.getByLabel("How far back").selectOption("last hour");
  await page.getByText("Reads per minute").waitFor();
  expect(page.url()).toMatch(/#\/cache\?range=hour$/);
});

it("a chart has a gap before Luna ran, and latency is the range that was measured", async () => {
  const page = await signedIn();
  const chart = (name: string) => page.locator(".chart").filter({ hasText: name });
  await chart("Latency")
    .getByText(/p50: (below|over|[\d.]+–)/)
    .waitFor();
  const plot = chart("Requests per").locator(".u-over");
  const box = await plot.boundingBox();
  // The first minute of the last hour: this Luna did not run yet.
  await page.mouse.move((box?.x ?? 0) + 2, (box?.y ?? 0) + 20);
  await chart("Requests per").getByText("all: no data").waitFor();
  expect(await chart("Requests per").getByText("all: 0").count()).toBe(0);
  await look(page, "overview-calm");
});

it.each(["tasks", "alerts", "audit"])("on a phone the tab of %s is in sight", async (name) => {
  const page = await signedIn(`#/${name}`, { width: 390 });
  const tab = page.locator('nav [aria-current="page"]');
  await tab.waitFor();
  await eventually(async () => {
    const box = await tab.boundingBox();
    expect(box?.x).toBeGreaterThanOrEqual(0);
    expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(390);
  });
});

it("Discard does not look like Replay, and its dialog names how many", async () => {
  sink.fault = (phase) => (phase === "rcpt" ? { phase, do: "refuse", code: 550 } : null);
  const { id } = (
    await api("POST", "/api/emails", { to: "no@example.com", subject: "Hello", text: "Hi" })
  ).body;
  await eventually(async () =>
    expect((await api("GET", `/api/admin/email/dlq/${id}`)).status).toBe(200),
  );
  const page = await signedIn(`#/dead-letters/${id}`);
  const discard = page.getByRole("button", { name: "Discard" });
  const replay = page.getByRole("button", { name: "Replay" });
  await discard.waitFor();
  expect(await discard.getAttribute("class")).toBe("danger");
  expect(await replay.getAttribute("class")).toBeNull();
  await look(page, "dead-letter");
  await discard.click();
  await page.getByRole("dialog", { name: "Discard 1 dead letter" }).waitFor();
  await page.keyboard.press("Escape");
});

it("while the watchdog and the history do not answer, tasks are neither on time nor without runs", async () => {
  const page = await signedIn("#/tasks", { width: 390 });
  await page.getByText("prune-history").first().waitFor();
  expect(await page.getByText("Whether a task is overdue is not known.").count()).toBe(0);
  await page.route("**/health", async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    body.checks.tasks = { status: "degraded", overdue: [], unreachable: true };
    await route.fulfill({ response, json: body });
  });
  await page.route("**/scheduled-tasks/history?limit=100", (route) =>
    route.fulfill({ status: 503, json: { title: "Unavailable", detail: "Gone." } }),
  );
  await page.reload();
  await page.getByText("Whether a task is overdue is not known.").waitFor();
  await page.getByText("not known", { exact: true }).first().waitFor();
  expect(await page.getByText("no recent runs").count()).toBe(0);
  await look(page, "tasks-unknown");
});

describe("a runbook", () => {
  it("defines what its commands use, fills in the breaker, and copies a command", async () => {
    const page = await open("runbooks/circuit-breaker-open?name=email:smtp");
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByText(`export LUNA=${stage.luna.url}`).waitFor();
    await page.getByText("circuit-breakers/email:smtp/history").waitFor();
    expect(await page.locator('link[rel="icon"]').getAttribute("href")).toBe("../moon.svg");
    await page.getByRole("button", { name: "Copy" }).nth(2).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    expect(await page.evaluate("navigator.clipboard.readText()")).toContain(
      "$LUNA/api/admin/circuit-breakers/email:smtp/reset",
    );
    expect(await accessibilityProblems(page)).toEqual([]);
    await screenshot(page, "honest-runbook-1440");
  });

  it("fills in no word that is more than a name", async () => {
    const page = await open("runbooks/circuit-breaker-open?name=%24(reboot)");
    await page.getByRole("button", { name: "Copy" }).first().waitFor();
    expect(await page.locator("main").textContent()).toContain("circuit-breakers/<name>/history");
    expect(await page.locator("main").textContent()).not.toContain("reboot");
  });

  it("is cut nowhere on a phone", async () => {
    const page = await open("runbooks/provider-down", { width: 390 });
    await page.getByRole("button", { name: "Copy" }).first().waitFor();
    const cut = await page.evaluate<string[]>(
      `[...document.querySelectorAll("pre, .scrolls")]
        .filter((one) => one.scrollWidth > one.clientWidth)
        .map((one) => one.textContent)`,
    );
    expect(cut).toEqual([]);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(390);
    await screenshot(page, "honest-runbook-390");
  });
});

describe("with the data of the test", () => {
  it("the alerts page shows which alert flaps, and which no longer holds and since when", async () => {
    const at = new Date().toISOString();
    const firing = [
      {
        key: "email:dead",
        summary: "10 dead letters to replay or discard",
        since: at,
        firedAt: at,
      },
      {
        key: "breaker:cache",
        summary: "the circuit breaker cache is OPEN",
        since: at,
        firedAt: at,
        flappingSince: at,
      },
      {
        key: "email:unknown",
        summary: "1 email may or may not have arrived",
        since: at,
        firedAt: at,
        clearSince: at,
      },
    ];
    const notices = [
      { id: "n", key: "breaker:cache", kind: "flapping", summary: "the circuit breaker flaps", at },
    ];
    const page = await signedIn();
    await page.route("**/api/admin/alerts", (route) =>
      route.fulfill({ json: { firing, notices, channels: ["email"] } }),
    );
    await page.getByRole("link", { name: "Alerts", exact: true }).click();
    const row = (text: string) => page.getByRole("row").filter({ hasText: text });
    await row("10 dead letters").waitFor();
    expect(await row("10 dead letters").textContent()).not.toMatch(/flaps|no longer/);
    await row("cache is OPEN").getByText("It flaps, since").waitFor();
    await row("may or may not").getByText("It no longer holds, since").waitFor();
    await row("the circuit breaker flaps").getByText("flapping", { exact: true }).waitFor();
  });

  it("the tasks page shows the attempts of a run that failed before another succeeded", async () => {
    const startedAt = new Date().toISOString();
    const run = {
      runId: "r",
      executionId: "e",
      task: "sweep-outbox",
      trigger: "cron",
      attempt: 1,
      status: "success",
      scheduledTime: startedAt,
      startedAt,
      duration: 4_000,
      failedAttempts: [
        { startedAt, duration: 5, error: { message: "D1_ERROR: Network connection lost." } },
      ],
    };
    const execution = {
      executionId: "e",
      trigger: "cron",
      startedAt,
      duration: 4_000,
      total: 1,
      successful: 1,
      failed: 0,
      results: [run],
    };
    const history = { total: 1, successful: 1, failed: 0, recentExecutions: [execution] };
    const page = await signedIn();
    await page.route("**/api/admin/scheduled-tasks/history**", (route) =>
      route.fulfill({ json: history }),
    );
    await page.getByRole("link", { name: "Tasks", exact: true }).click();
    await page.locator("ul.executions summary").first().click();
    await page.getByText("1 failed attempt before").click();
    const error = page.getByText("D1_ERROR: Network connection lost.");
    await error.waitFor();
    expect(await error.isVisible()).toBe(true);
  });
});
