import { expect, it, vi } from "vitest";
import { Narrator } from "./narrator.ts";

const lines: string[] = [];
let now = 0;
const narrator = (): Narrator => {
  lines.length = 0;
  return new Narrator({ write: (text) => lines.push(text) }, () => now);
};

it("a successful step is printed with its duration and note", async () => {
  const narrated = narrator();
  const run = async (): Promise<number> => {
    now += 1_500;
    return 12;
  };
  expect(await narrated.step("emails arrive", run, (count) => `${count} emails`)).toBe(12);
  expect(lines.join("")).toMatch(/^ {2}✓ emails arrive +1\.5 s {2}12 emails\n$/);
  expect(narrated.held).toBe(1);
});

it("a failed step is printed and ends the tour with its last state", async () => {
  const narrated = narrator();
  const failing = narrated.step("emails arrive", async (waitFor) => {
    waitFor("3 of 12");
    throw new Error("not within 30 s");
  });
  await expect(failing).rejects.toThrow("not within 30 s (last seen: 3 of 12)");
  expect(lines.join("")).toContain("✗ emails arrive");
  expect(narrated.held).toBe(0);
});

it("prints no escape sequences if the output is no terminal", async () => {
  const narrated = narrator();
  narrated.chapter("Sign up");
  await narrated.step("a user", async () => undefined);
  expect(lines.join("")).not.toContain("\u001b");
});

it("on a terminal the running step fits its line, and is erased when it ends", async () => {
  vi.useFakeTimers();
  lines.length = 0;
  const narrated = new Narrator(
    { write: (text) => lines.push(text), isTTY: true, columns: 40 },
    () => now,
  );
  const running = narrated.step(
    "the mail server is back, with all of its emails",
    async (waitFor) => {
      waitFor("3 of 12 sent, the breaker is HALF_OPEN");
      await new Promise((resolve) => setTimeout(resolve, 500));
    },
  );
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
