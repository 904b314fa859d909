import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { counters } from "../../shared/telemetry/counters.ts";
import { observed } from "../../workers/cron/observe.ts";

const uncaught = (): number =>
  counters.totals()["luna_uncaught_exceptions_total{worker=cron}"] ?? 0;
async function execution(error: Error): Promise<unknown> {
  const work = async (): Promise<never> => {
    throw error;
  };
  try {
    return await observed(env as never, work, () => []);
  } catch (thrown) {
    return thrown;
  }
}

it("a defect is an uncaught exception, D1 being down is not; both are thrown", async () => {
  const before = uncaught();
  const silent = new Error("D1_ERROR: database is locked: SQLITE_BUSY");
  expect(await execution(silent)).toBe(silent);
  expect(uncaught() - before).toBe(0);
  const defect = new TypeError("undefined is not a function");
  expect(await execution(defect)).toBe(defect);
  expect(uncaught() - before).toBe(1);
});
