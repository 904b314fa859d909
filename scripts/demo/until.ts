const LOOK_EACH_MS = 200;

/**
 * Polls until `look` returns a value.
 *
 * @param what names the condition in the error
 * @throws Error after `withinMs`, or the signal's reason
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
