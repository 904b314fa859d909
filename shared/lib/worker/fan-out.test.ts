import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../../test/support/virtual-clock.ts";
import { fanOut } from "./fan-out.ts";

describe("calls for a list", () => {
  it("are at most six at a time, start in order, and end in the order of the list", async () => {
    const clock = new VirtualClock();
    const started: number[] = [];
    let running = 0;
    let most = 0;
    const items = Array.from({ length: 50 }, (_, n) => n);
    const calls = fanOut(items, async (item) => {
      started.push(item);
      most = Math.max(most, (running += 1));
      await clock.sleep((item % 7) * 10);
      running -= 1;
      return item * 2;
    });
    await clock.advance(10_000);
    expect(await calls).toEqual(items.map((item) => item * 2));
    expect(started).toEqual(items);
    expect(most).toBe(6);
  });

  it("may be fewer at a time", async () => {
    let running = 0;
    let most = 0;
    await fanOut(
      [1, 2, 3, 4, 5],
      async () => {
        most = Math.max(most, (running += 1));
        await Promise.resolve();
        running -= 1;
      },
      2,
    );
    expect(most).toBe(2);
  });

  it("all run, also if one fails: the first failure in the list is thrown at the end", async () => {
    const ended: number[] = [];
    const calls = fanOut([1, 2, 3, 4, 5, 6, 7, 8], async (item) => {
      await Promise.resolve();
      ended.push(item);
      if (item % 2 === 0) throw new Error(`call ${item}`);
    });
    await expect(calls).rejects.toThrow("call 2");
    expect(ended.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("may be none", async () => {
    expect(await fanOut([], () => Promise.reject(new Error("never called")))).toEqual([]);
  });
});
