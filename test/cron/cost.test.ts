import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { rowHeldTo, rowOn } from "../../bench/cost/operations.ts";
import page from "../../docs/operate/cost.md?raw";
import worker from "../../workers/cron/index.ts";
import { CountedPlatform } from "../support/counted-platform.ts";

/** The cost of scheduled tasks without work: the counts of docs/operate/cost.md. */

const MINUTE_MS = 60_000;
/** Ahead of the real time, by which alarms run. */
const noon = Date.parse("2100-01-05T12:00:00Z");
const asked = [
  "CIRCUIT_BREAKER.inspect",
  "CACHE_TAG_INDEX.sync",
  "TASK_WATCHDOG.report",
  "TASK_WATCHDOG.alarm",
  "TELEMETRY.report",
  "TELEMETRY.breakers",
];

beforeEach(
  () => void vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: noon }),
);
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it("two minutes of cron without work cost what the page states", async () => {
  const platform = new CountedPlatform();
  const bindings = {
    ...env,
    DB: platform.database(env.DB),
    CACHE: platform.kv(env.CACHE),
    EMAIL_QUEUE: platform.queue(),
    EMAIL_DLQ: platform.queue(),
    CIRCUIT_BREAKER: platform.objects("CIRCUIT_BREAKER", env.CIRCUIT_BREAKER, "cost"),
    CACHE_TAG_INDEX: platform.objects("CACHE_TAG_INDEX", env.CACHE_TAG_INDEX, "cost"),
    TASK_WATCHDOG: platform.objects("TASK_WATCHDOG", env.TASK_WATCHDOG, "cost"),
    TELEMETRY: platform.objects("TELEMETRY", env.TELEMETRY, "cost"),
  };
  const tick = async (minute: number): Promise<void> => {
    vi.setSystemTime(noon + minute * MINUTE_MS);
    platform.add("requests", 1);
    await worker.scheduled(createScheduledController(), bindings);
    await vi.advanceTimersByTimeAsync(5_000);
    await platform.settled();
  };
  // The first ticks register the tasks and call every object for the first time.
  for (const minute of [-2, -1]) await tick(minute);
  await platform.take();
  for (const minute of [0, 1]) await tick(minute);
  expect(platform.asked("TELEMETRY.report")).toBe(2);
  expect(rowHeldTo(page, "two minutes of cron", await platform.take(asked))).toBe(
    rowOn(page, "two minutes of cron"),
  );
});
