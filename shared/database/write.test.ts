import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fail, ok } from "../lib/base/result.ts";
import { writeDatabase, WRITE_TIMEOUT_MS } from "./write.ts";

const never = (): Promise<never> => new Promise(() => undefined);
const lost = (): Promise<never> => Promise.reject(new Error("D1_ERROR: Network connection lost."));
const outcomeUnknown = fail({ tag: "outcome-unknown" });
const unavailable = fail({ tag: "unavailable", dependency: "database" });

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(console, "error").mockReturnValue();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** The answer, and after how long it came. */
async function timed<Answer>(answer: Promise<Answer>): Promise<{ answer: Answer; ms: number }> {
  const began = Date.now();
  const [settled] = await Promise.all([
    answer.then((value) => ({ answer: value, ms: Date.now() - began })),
    vi.runAllTimersAsync(),
  ]);
  return settled;
}

describe("a write whose reply is lost", () => {
  it.each([
    ["took place if it is found", async () => "found", ok("found")],
    ["did not take place if it is not", async () => null, unavailable],
    ["may have if the row cannot be read", lost, outcomeUnknown],
    ["may have if nothing looks", undefined, outcomeUnknown],
  ])("%s", async (_, reread, expected) => {
    expect(await writeDatabase(lost, reread)).toEqual(expected);
  });

  it("is refused for the field that another has", async () => {
    const taken = () =>
      Promise.reject(
        new Error("D1_ERROR: UNIQUE constraint failed: users.email: SQLITE_CONSTRAINT"),
      );
    expect(await writeDatabase(taken, never)).toEqual(fail({ tag: "conflict", field: "email" }));
  });
});

describe("a write that D1 does not answer", () => {
  it("is given up after five seconds: it took place if it is found", async () => {
    expect(await timed(writeDatabase(never, async () => "found"))).toEqual({
      answer: ok("found"),
      ms: WRITE_TIMEOUT_MS,
    });
  });

  it("may still land if it is not there yet", async () => {
    expect(await timed(writeDatabase(never, async () => null))).toEqual({
      answer: outcomeUnknown,
      ms: WRITE_TIMEOUT_MS,
    });
  });

  it("delays no caller for longer than ten, also when nothing else is answered", async () => {
    expect(await timed(writeDatabase(never, never))).toEqual({
      answer: outcomeUnknown,
      ms: 2 * WRITE_TIMEOUT_MS,
    });
  });
});
