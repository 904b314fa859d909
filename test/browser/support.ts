import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe from "axe-core";
import {
  chromium as playwright,
  type Browser,
  type BrowserContext,
  type Page,
} from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, inject } from "vitest";
import { freePort, Luna, mailServerAt } from "../process/luna.ts";
import { CONDITION_TIMEOUT_MS } from "../support/limits.ts";
import { SmtpSink } from "../support/sink.ts";

/** Where the screenshots go, to be looked at: nothing else needs them, and they cost much time. */
const SCREENSHOTS = process.env["SCREENSHOTS"];
export const READONLY_TOKEN = "test-readonly-token-0123456789abcdef";

/** `language`: what the browser reports as its language, which need be no language tag. */
type Look = { width?: number; colorScheme?: "light" | "dark"; language?: string };

/** The real `npm start` beside a real mail server that refuses on command, and a real browser. */
export function useConsole() {
  const stateDir = mkdtempSync(join(tmpdir(), "luna-browser-"));
  const sink = new SmtpSink();
  let luna: Luna;
  let browser: Browser;
  let contexts: BrowserContext[] = [];
  let wrong: string[] = [];

  beforeAll(async () => {
    const [port, smtpPort] = await Promise.all([freePort(), sink.listen()]);
    luna = new Luna({
      PORT: String(port),
      STATE_DIR: stateDir,
      ...mailServerAt(smtpPort),
      READONLY_TOKEN,
    });
    // What comes with the package for other machines, as to run it in one process, breaks more than
    // it repairs.
    const starting = playwright.launch({
      executablePath: inject("chromium"),
      args: ["--no-sandbox", "--disable-gpu"],
      timeout: CONDITION_TIMEOUT_MS,
    });
    [browser] = await Promise.all([starting, luna.ready()]);
  });
  afterEach(async () => {
    sink.fault = () => null;
    sink.delivered.length = 0;
    // A request that is answered for the page just now may come back to a page that is closed.
    const pages = contexts.flatMap((context) => context.pages());
    await Promise.all(pages.map((page) => page.unrouteAll({ behavior: "ignoreErrors" })));
    await Promise.all(contexts.map((context) => context.close()));
    contexts = [];
    const seen = wrong;
    wrong = [];
    expect(seen, "what the browser complained of").toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await luna?.destroy();
    await sink.close();
    rmSync(stateDir, { recursive: true, force: true });
  });

  /** A tab that nobody has signed in to yet. What it complains of fails the test. */
  async function open(
    hash = "",
    { width = 1_440, colorScheme = "light", language }: Look = {},
  ): Promise<Page> {
    const context = await browser.newContext({
      viewport: { width, height: 900 },
      colorScheme,
      locale: "en-GB",
    });
    contexts.push(context);
    context.setDefaultTimeout(CONDITION_TIMEOUT_MS);
    if (language !== undefined) {
      const getter = `{ get: () => ${JSON.stringify(language)} }`;
      await context.addInitScript(
        `Object.defineProperty(Navigator.prototype, "language", ${getter})`,
      );
    }
    const page = await context.newPage();
    page.on("pageerror", (error) => wrong.push(String(error)));
    // That the API refuses something is no mistake of the page, though the browser calls it an
    // error.
    const isAnswer = (text: string, url: string): boolean =>
      text.startsWith("Failed to load resource") &&
      (url.includes("/api/") || url === page.url() || url.endsWith("/favicon.ico"));
    // Nor is it one that the HTML of an email does not get what it asks for.
    const isOfEmail = (text: string): boolean =>
      text.startsWith("Blocked script execution in 'about:srcdoc'") ||
      text.includes('directive: "img-src data:"');
    page.on("console", (message) => {
      const [text, { url }] = [message.text(), message.location()];
      if (message.type() === "error" && !isAnswer(text, url) && !isOfEmail(text)) wrong.push(text);
    });
    await page.goto(`${luna.url}/console/${hash}`);
    return page;
  }

  async function signedIn(hash = "", look: Look = {}, token = luna.token): Promise<Page> {
    const page = await open(hash, look);
    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("navigation").waitFor();
    return page;
  }

  return {
    sink,
    stateDir,
    open,
    signedIn,
    get luna() {
      return luna;
    },
  };
}

/** Rules of WCAG 2.2 AA and of good practice that the page breaks. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<axe.AxeResults>("axe.run()");
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html }) => `${id}: ${help}: ${html}`),
  );
}

export async function screenshot(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS === undefined) return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}

/**
 * How much of the page has moved by itself since it was opened (https://web.dev/articles/cls): 0.1
 * is called good.
 */
export async function layoutShift(page: Page): Promise<number> {
  return await page.evaluate<number>(`new Promise((resolve) => {
    let shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => resolve(shift), 50);
  })`);
}

/** Looks at a page in both themes and at two widths: it fits, and is accessible. */
export async function inBothThemes(page: Page, name: string): Promise<void> {
  for (const width of [1_440, 390])
    for (const colorScheme of ["light", "dark"] as const) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await screenshot(page, `${name}-${width}-${colorScheme}`);
      const wide = await page.evaluate<number>("document.documentElement.scrollWidth");
      expect(wide, `${name} at ${width}`).toBeLessThanOrEqual(width);
    }
  expect(await accessibilityProblems(page)).toEqual([]);
  await page.setViewportSize({ width: 1_440, height: 900 });
}
