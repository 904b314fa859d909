import { expect, it } from "vitest";
import { VirtualClock } from "../../../../test/support/virtual-clock.ts";
import { Reporter } from "./reporter.ts";

/** When a report of a failure of now is sent, in milliseconds from now. */
async function sentAfter(crowd: number, random: () => number): Promise<number[]> {
  const clock = new VirtualClock();
  const began = clock.now();
  const sent: number[] = [];
  const background = (work: Promise<unknown>): void => void work;
  const send = async (): Promise<void> => void sent.push(clock.now() - began);
  new Reporter({ clock, random, background }, send).soon(began, crowd);
  await clock.advance(10_000);
  return sent;
}

it("a failure is reported within 100 ms", async () => {
  expect(await sentAfter(1, () => 0.99)).toEqual([100]);
});

it("in a crowd most failures are reported later, by up to a second per part of the crowd", async () => {
  expect(await sentAfter(3, () => 0.1)).toEqual([100]);
  expect(await sentAfter(3, () => 0.5)).toEqual([100 + 1_000]);
});
