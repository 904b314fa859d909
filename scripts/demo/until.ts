const LOOK_EACH_MS = 200;

/**
 * Looks again and again until there is something to see.
 *
 * @param what what is waited for, for whoever reads why it ended
 * @throws Error when it was not there in time, or the signal's reason
 */
export async function until<Value>(
  what: string,
  withinMs: number,
  signal: AbortSignal,
  look: () => Promise<Value | null>,
): Promise<Value> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    signal.throwIfAborted();
    const seen = await look();
    if (seen !== null) return seen;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EACH_MS));
  }
}
