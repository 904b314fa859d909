import type { VirtualClock } from "../../test/support/virtual-clock.ts";

/**
 * Lets as much time pass, with calls that come by chance, independently of each other: the gaps are
 * exponential, rounded up to a millisecond. A call goes to any of the isolates.
 */
export async function arrive(
  clock: VirtualClock,
  { perSecond, forMs, random }: { perSecond: number; forMs: number; random: () => number },
  call: () => void,
): Promise<void> {
  const end = clock.now() + forMs;
  const gapMs = (): number => (-Math.log(1 - random()) * 1_000) / perSecond;
  for (let at = clock.now() + gapMs(); at < end; at += gapMs()) {
    const dueAt = Math.ceil(at);
    if (dueAt > clock.now()) await clock.advance(dueAt - clock.now());
    call();
  }
  await clock.advance(end - clock.now());
}
