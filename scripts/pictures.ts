/**
 * Takes the pictures of the README from the running product: a recording of the demo, and the
 * console while a mail server is down.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import chromium from "@sparticuz/chromium";
import { chromium as playwright } from "playwright-core";
import { freePort, Luna, ofItsOwn } from "../test/process/luna.ts";
import { commandLine } from "./command-line.ts";
import { killMailbox } from "./demo/break.ts";
import { shownToday } from "./pictures/shown.ts";
import { terminalSvg, type Printed } from "./pictures/terminal.ts";

const FOLDER = "docs/images";
const USERS = ["ada", "grace", "alan", "edsger", "barbara", "donald"];
const SUBJECTS = ["Your receipt", "Your order is on its way", "Your invoice of November"];
const OPENS_WITHIN_MS = 60_000;
const LOOK_EACH_MS = 1_000;
/** Counters reach the console within this time. */
const COUNTED_WITHIN_MS = 4_000;

commandLine({
  name: "pictures",
  about:
    "Takes the pictures of the README from the running product: a recording of the demo, and the " +
    `console while a mail server is down. Writes them into ${FOLDER}.`,
});

async function main(): Promise<void> {
  const stateDir = mkdtempSync(join(tmpdir(), "luna-pictures-"));
  const [port, smtpPort, mailboxPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const env = {
    SMTP_HOST: "",
    ALERT_EMAIL: "",
    PORT: String(port),
    SMTP_PORT: String(smtpPort),
    MAILBOX_PORT: String(mailboxPort),
    STATE_DIR: stateDir,
  };
  const luna = new Luna(env);
  try {
    await luna.ready();
    mkdirSync(FOLDER, { recursive: true });
    const recorded = await recordDemo(ofItsOwn(env));
    writeFileSync(`${FOLDER}/demo.svg`, terminalSvg("npm run demo", recorded));
    await useIt(luna);
    const mailbox = await killMailbox(stateDir);
    await untilBreakerOpens(luna);
    await photographConsole(luna);
    await mailbox.restore();
    writeFileSync(`${FOLDER}/shown.json`, `${JSON.stringify(shownToday(), null, 2)}\n`);
  } finally {
    await luna.destroy();
    rmSync(stateDir, { recursive: true, force: true });
  }
}

async function recordDemo(env: Record<string, string>): Promise<Printed[]> {
  const startedAt = performance.now();
  const printed: Printed[] = [];
  const demo = spawn("npm", ["run", "--silent", "demo"], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise((resolve) => demo.once("exit", resolve));
  let unfinished = "";
  for await (const text of demo.stdout.setEncoding("utf8")) {
    const lines = `${unfinished}${String(text)}`.split("\n");
    unfinished = lines.pop() ?? "";
    const atMs = performance.now() - startedAt;
    printed.push(...lines.map((line) => ({ atMs, text: line })));
  }
  const code = await exited;
  if (code !== 0) throw new Error(`the demo ended with ${String(code)}`);
  return printed;
}

/** Some traffic, so that the console has something to show. */
async function useIt(luna: Luna): Promise<void> {
  for (const userId of USERS)
    await luna.call("POST", "/api/users", { userId, email: `${userId}@example.com` });
  for (const userId of USERS.flatMap((name) => Array.from({ length: 8 }, () => name)))
    await luna.call("GET", `/api/users/${userId}`);
  for (const subject of SUBJECTS) await send(luna, subject);
}

async function send(luna: Luna, subject: string): Promise<void> {
  for (const userId of USERS)
    await luna.call("POST", "/api/emails", { to: `${userId}@example.com`, subject, text: "Hello" });
}

async function untilBreakerOpens(luna: Luna): Promise<void> {
  const deadline = performance.now() + OPENS_WITHIN_MS;
  for (;;) {
    await send(luna, "Your receipt");
    await sleep(LOOK_EACH_MS);
    const { body } = await luna.call("GET", "/health");
    if (body.checks?.breakers?.states["email:smtp"] === "OPEN") break;
    if (performance.now() > deadline) throw new Error("the breaker has not opened");
  }
  await sleep(COUNTED_WITHIN_MS);
}

async function photographConsole(luna: Luna): Promise<void> {
  const executablePath = await chromium.executablePath();
  const browser = await playwright.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu"],
  });
  try {
    for (const colorScheme of ["light", "dark"] as const) {
      const viewport = { width: 1_200, height: 650 };
      const look = { viewport, colorScheme, locale: "en-GB", deviceScaleFactor: 1.5 };
      const page = await (await browser.newContext(look)).newPage();
      await page.goto(`${luna.url}/console/`);
      await page.getByLabel("Token").fill(luna.token);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByText("none lost").waitFor();
      await page.getByText("Latency").waitFor();
      await page.mouse.move(0, 0);
      await page.screenshot({ path: `${FOLDER}/console-${colorScheme}.png` });
    }
  } finally {
    await browser.close();
  }
}

await main();
