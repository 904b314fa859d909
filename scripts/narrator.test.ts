import { expect, it, vi } from "vitest";
import { Narrator } from "./narrator.ts";

const lines: string[] = [];
let now = 0;
const narrator = (): Narrator => {
  lines.length = 0;
  return new Narrator({ write: (text) => lines.push(text) }, () => now);
};

it("a step that held is told with how long it took and what came of it", async () => {
  const told = narrator();
  const run = async (): Promise<number> => {
    now += 1_500;
    return 12;
  };
  expect(await told.step("mails arrive", run, (count) => `${count} mails`)).toBe(12);
  expect(lines.join("")).toMatch(/^ {2}✓ mails arrive +1\.5 s {2}12 mails\n$/);
  expect(told.held).toBe(1);
});

it("a step that did not hold is told, counts for nothing, and ends the tour with what was seen last", async () => {
  const told = narrator();
  const failing = told.step("mails arrive", async (waitFor) => {
    waitFor("3 of 12");
    throw new Error("not within 30 s");
  });
  await expect(failing).rejects.toThrow("not within 30 s (last seen: 3 of 12)");
  expect(lines.join("")).toContain("✗ mails arrive");
  expect(told.held).toBe(0);
});

it("what is no terminal gets no escape sequences", async () => {
  const told = narrator();
  told.chapter("Sign up");
  await told.step("a user", async () => undefined);
  expect(lines.join("")).not.toContain("\u001b");
});

it("on a terminal a step that goes on stays within the line, and is gone when it has ended", async () => {
  vi.useFakeTimers();
  lines.length = 0;
  const told = new Narrator(
    { write: (text) => lines.push(text), isTTY: true, columns: 40 },
    () => now,
  );
  const running = told.step("the mail server is back, with all of its mails", async (waitFor) => {
    waitFor("3 of 12 sent, the breaker is HALF_OPEN");
    await new Promise((resolve) => setTimeout(resolve, 500));
  });
  await vi.advanceTimersByTimeAsync(500);
  await running;
  vi.useRealTimers();
  const [frames, end] = [lines.slice(0, -2), lines.at(-2)];
  expect(frames.length).toBeGreaterThan(3);
  for (const frame of frames) {
    expect(frame).toContain("the mail server is back");
    expect(frame.length - "\r\u001b[2K".length).toBeLessThan(40);
  }
  expect(end).toBe("\r\u001b[2K");
});
