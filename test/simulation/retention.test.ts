import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { liveFor, type Stored } from "./stored-months.ts";

/**
 * Eighteen months at a constant load, with the retention of the defaults. There are 20 emails per
 * day instead of 10,000, so what is stored has the same ratio. No task may leave anything late.
 */

const DAYS = 550;
const EMAILS_PER_DAY = 20;
const SCALE = 10_000 / EMAILS_PER_DAY;

/** Since when nothing new is kept for longer: `unknown` emails, and what is kept for 400 days. */
const LEVEL_DAY = 420;
/** What does not level off within eighteen months: storage.md has its retention, or its bound. */
const growing = ["usage_monthly", "usage_roll_ups"];

/** The tables whose rows the emails make. */
const ofEmails = [
  "emails",
  "email_contents",
  "email_recipients",
  "email_events",
  "webhook_messages",
  "idempotency_keys",
];

let stored: Stored[];
const after = (day: number): Stored => {
  const found = stored.find((one) => one.day === day);
  if (found === undefined) throw new Error(`nothing is known of day ${day}`);
  return found;
};

beforeAll(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  for (const level of ["info", "warn", "error"] as const)
    vi.spyOn(console, level).mockReturnValue();
  stored = await liveFor(DAYS, EMAILS_PER_DAY);
}, 240_000);
afterAll(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it("each table has as many rows after eighteen months as it had when the longest retention was over", () => {
  const level = after(LEVEL_DAY);
  const grown = stored
    .filter(({ day }) => day > LEVEL_DAY)
    .flatMap(({ day, rows }) =>
      Object.entries(rows)
        .filter(([table, n]) => n > (level.rows[table] ?? 0) * 1.05 + EMAILS_PER_DAY)
        .map(([table, n]) => `${table} has ${n} rows after ${day} days`),
    )
    .filter((text) => !growing.some((table) => text.startsWith(`${table} `)));
  expect(grown).toEqual([]);
  expect(after(DAYS).fileBytes / level.fileBytes).toBeLessThan(1.03);
});

it("emails level off after 90 days, at the rows and bytes of docs/reference/storage.md", () => {
  const page = readFileSync("docs/reference/storage.md", "utf8");
  const [, emails = "", contents = "", gigabytes = ""] =
    /^\| 10,000 \| ([\d,]+) \| ([\d,]+) \| ([\d.]+) GB/m.exec(page) ?? [];
  const held = (stated: string, amountOf: (one: Stored) => number): void => {
    for (const one of stored.filter(({ day }) => day >= 110)) {
      const ratio = (amountOf(one) * SCALE) / Number(stated.replaceAll(",", ""));
      expect(ratio, `after ${one.day} days`).toBeGreaterThan(0.95);
      expect(ratio, `after ${one.day} days`).toBeLessThan(1.1);
    }
  };
  held(emails, ({ rows }) => rows["emails"] ?? 0);
  // Of emails that wait, are unknown or have a dead letter as well.
  held(contents, ({ rows }) => rows["email_contents"] ?? 0);
  held(
    gigabytes,
    ({ bytes }) => ofEmails.reduce((sum, table) => sum + (bytes[table] ?? 0), 0) / 1e9,
  );
});
