import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { runToEnd, taskError, type RunEnd, type RunControls } from "./runner.ts";

const MINUTE_MS = 60_000;
const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => void process.on("unhandledRejection", note));
afterEach(() => {
  process.off("unhandledRejection", note);
  expect(unhandled.splice(0)).toEqual([]);
});

async function run(task: (controls: RunControls) => unknown, waitMs = 0): Promise<RunEnd> {
  const clock = new VirtualClock();
  const ended = runToEnd(task, { timeoutMs: MINUTE_MS }, clock);
  await clock.advance(waitMs);
  const end = await ended;
  expect(clock.pending, "no timer is left").toBe(0);
  return end;
}

describe("a task", () => {
  it("that succeeds has its result and duration", async () => {
    expect(await run(() => ({ done: 3 }))).toEqual({
      status: "success",
      duration: 0,
      result: { done: 3 },
    });
    expect(await run(() => undefined)).toEqual({
      status: "success",
      duration: 0,
      result: undefined,
    });
  });

  it.each<[string, () => unknown, string]>([
    [
      "throws before it returns a promise",
      () => {
        throw new Error("at once");
      },
      "at once",
    ],
    ["rejects", () => Promise.reject(new Error("later")), "later"],
    ["throws a text", () => Promise.reject("just words"), "just words"],
    ["throws an object", () => Promise.reject({ code: 7 }), '{"code":7}'],
    ["throws nothing", () => Promise.reject(undefined), "undefined"],
    ["throws an error without a message", () => Promise.reject(new TypeError("")), "TypeError"],
  ])("that %s has failed, with the thrown value as its message", async (_, task, message) => {
    expect(await run(task)).toMatchObject({ status: "failure", error: { message } });
  });

  it("that throws an Error keeps its stack", async () => {
    const failed = await run(() => Promise.reject(new Error("with a stack")));
    expect(failed).toMatchObject({ error: { stack: expect.stringContaining("runner.test") } });
  });

  it("that never settles is aborted and fails at its timeout, for good", async () => {
    let reason: unknown;
    let late: (value: string) => void = () => undefined;
    const ended = await run(async ({ signal }) => {
      signal.addEventListener("abort", () => (reason = signal.reason));
      return await new Promise<string>((resolve) => (late = resolve));
    }, MINUTE_MS);
    expect(ended).toMatchObject({
      status: "failure",
      duration: MINUTE_MS,
      error: { message: "did not end within 60000 ms" },
    });
    expect(reason).toMatchObject({ name: "TimeoutError" });
    late("too late");
    await Promise.resolve();
    expect(ended.status).toBe("failure");
  });

  it("ends when its waitUntil work has ended, and fails if that fails", async () => {
    const clock = new VirtualClock();
    let ended = false;
    const good = runToEnd(
      ({ waitUntil }) => waitUntil(clock.sleep(5_000)),
      { timeoutMs: MINUTE_MS },
      clock,
    ).finally(() => (ended = true));
    await clock.advance(4_999);
    expect(ended).toBe(false);
    await clock.advance(1);
    expect(await good).toMatchObject({ status: "success", duration: 5_000 });

    const bad = await run(({ waitUntil }) => {
      waitUntil(Promise.resolve().then(() => waitUntil(Promise.reject(new Error("deep down")))));
    });
    expect(bad).toMatchObject({ status: "failure", error: { message: "deep down" } });
  });

  it("leaves no unhandled rejection when its work fails late", async () => {
    const failed = await run(({ waitUntil }) => {
      waitUntil(Promise.reject(new Error("unheard")));
      throw new Error("first");
    });
    expect(failed).toMatchObject({ error: { message: "first" } });
    let fail: (error: Error) => void = () => undefined;
    await run(async () => await new Promise((_, reject) => (fail = reject)), MINUTE_MS);
    fail(new Error("too late"));
    await new Promise((resolve) => setImmediate(resolve));
  });
});

it("an error is cut to what fits into a row", () => {
  expect(taskError(new Error("x".repeat(10_000))).message).toHaveLength(4_000);
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  expect(taskError(circular).message).toBe("[object Object]");
});
