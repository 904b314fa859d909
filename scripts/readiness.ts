import { sleep, type Clock } from "../shared/lib/base/clock.ts";

/** Only a hang takes this long without a sign of progress. */
const STALLED_MS = 600_000;
const REPORT_MS = 10_000;
const LOOK_MS = 200;

/** What is started. */
export type Starting = {
  /** What the lines about the progress begin with. */
  name: string;
  isReady: () => Promise<boolean>;
  /** The newest sign of progress: it changes as long as the start goes on. */
  progress: () => string;
  /** Takes a line about the progress. */
  report: (line: string) => void;
  clock: Clock;
};

/**
 * Waits until what is started is ready, however slow the machine is, and reports how far it is.
 *
 * @throws Error if there was no sign of progress for ten minutes
 */
export async function untilReady({ name, ...starting }: Starting): Promise<void> {
  const { isReady, progress, report, clock } = starting;
  const began = clock.now();
  let seen = progress();
  let movedAt = began;
  let reportedAt = began;
  while (!(await isReady())) {
    const now = clock.now();
    const newest = progress();
    if (newest !== seen) {
      seen = newest;
      movedAt = now;
    }
    if (now - movedAt >= STALLED_MS)
      throw new Error(`${name}: not ready, and nothing happened for ${STALLED_MS / 1_000} s`);
    if (now - reportedAt >= REPORT_MS) {
      reportedAt = now;
      report(`${name.padEnd(13)}${Math.round((now - began) / 1_000)} s: ${seen}`);
    }
    await sleep(clock, LOOK_MS);
  }
}
