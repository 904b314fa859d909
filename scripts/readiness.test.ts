import { expect, it } from "vitest";
import { VirtualClock } from "../test/support/virtual-clock.ts";
import { untilReady } from "./readiness.ts";

/** Starts on a virtual clock. `progress` and `isReady` get the seconds since the start. */
async function start(
  progress: (seconds: number) => string,
  isReady: (seconds: number) => boolean,
  seconds: number,
): Promise<{ ended: string | null; lines: string[] }> {
  const clock = new VirtualClock(0);
  const lines: string[] = [];
  let ended: string | null = null;
  void untilReady({
    name: "workers",
    isReady: async () => isReady(clock.now() / 1_000),
    progress: () => progress(clock.now() / 1_000),
    report: (line) => void lines.push(line),
    clock,
  }).then(
    () => (ended = `ready after ${clock.now() / 1_000} s`),
    (error: Error) => (ended = error.message),
  );
  await clock.advance(seconds * 1_000);
  return { ended, lines };
}

it("a start that goes on for an hour is waited for, and reports how far it is", async () => {
  const { ended, lines } = await start(
    (seconds) => `step ${Math.floor(seconds / 500)}`,
    (seconds) => seconds >= 3_600,
    4_000,
  );
  expect(ended).toBe("ready after 3600 s");
  expect(lines).toHaveLength(359);
  expect(lines.slice(0, 2)).toEqual(["workers      10 s: step 0", "workers      20 s: step 0"]);
});

it("a start that is ready at once reports nothing", async () => {
  expect(
    await start(
      () => "",
      () => true,
      1,
    ),
  ).toEqual({ ended: "ready after 0 s", lines: [] });
});

it("a start without a sign of progress for ten minutes hangs", async () => {
  const progress = (seconds: number) => (seconds < 100 ? "before" : "Ready on localhost");
  expect((await start(progress, () => false, 699)).ended).toBeNull();
  expect((await start(progress, () => false, 701)).ended).toBe(
    "workers: not ready, and nothing happened for 600 s",
  );
});
