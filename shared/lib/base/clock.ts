/** Time as the shells see it, so that tests can bring their own. */
export type Clock = {
  /** Milliseconds since the epoch. May go back. */
  now(): number;
  /** Calls `done` once after `ms`, unless the returned function is called first. */
  after(ms: number, done: () => void): () => void;
};

/** Every day of a fixed offset, such as UTC, is this long. */
export const DAY_MS = 86_400_000;

export async function sleep(clock: Clock, ms: number): Promise<void> {
  await new Promise<void>((resolve) => clock.after(ms, resolve));
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, done) {
    const timer = setTimeout(done, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * A time that lies in the future means that the clock was set back: then everything that waits for
 * time to pass is over.
 */
export function elapsedMs(since: number, now: number): number {
  return now < since ? Number.POSITIVE_INFINITY : now - since;
}
