/** The times at which a condition has held, as evaluations found it. Pure. */

/**
 * One time without a break. `until`: null while it holds. `isCounted`: its alert was firing
 * meanwhile, so it counts as a beginning of the alert.
 */
export type Held = { from: number; until: number | null; isCounted: boolean };

/** More are not needed: a condition that changes at each evaluation has flapped long before. */
const MAX_KEPT = 40;

/** Adds what was just found, and drops what ended more than `keptMs` ago, except the last one. */
export function observe(
  held: readonly Held[],
  holds: boolean,
  { now, keptMs }: { now: number; keptMs: number },
): Held[] {
  // If the clock was set back, the time starts again.
  const past = held.map(({ from, until, isCounted }) => ({
    from: Math.min(from, now),
    until: until === null ? null : Math.min(until, now),
    isCounted,
  }));
  const last = past.at(-1);
  const isOpen = last !== undefined && last.until === null;
  if (holds && !isOpen) past.push({ from: now, until: null, isCounted: false });
  if (!holds && isOpen) past.splice(-1, 1, { ...last, until: now });
  return past
    .filter(({ until }, n) => until === null || until > now - keptMs || n === past.length - 1)
    .slice(-MAX_KEPT);
}

/** For how long it has held within the last `windowMs`. */
export function heldWithin(
  held: readonly Held[],
  { now, windowMs }: { now: number; windowMs: number },
): number {
  const begins = now - windowMs;
  return held.reduce(
    (sum, { from, until }) => sum + Math.max((until ?? now) - Math.max(from, begins), 0),
    0,
  );
}

/** When it last began or stopped to hold; null if it never held. */
export function lastChange(held: readonly Held[]): number | null {
  const last = held.at(-1);
  return last === undefined ? null : (last.until ?? last.from);
}

/** How many times that began after a moment count as beginnings of the alert. */
export function countedSince(held: readonly Held[], moment: number): number {
  return held.filter(({ from, isCounted }) => isCounted && from > moment).length;
}

/** As it is stored: `[from, until, isCounted]`, to keep the row small. */
type StoredHeld = [from: number, until: number | null, isCounted: 0 | 1];

export function storedHeld(held: readonly Held[]): string {
  return JSON.stringify(
    held.map(({ from, until, isCounted }): StoredHeld => [from, until, isCounted ? 1 : 0]),
  );
}

/**
 * Reads what is stored. The previous release neither reads nor writes it, so `holdsSince` and
 * `firedAt`, which it does write, win where the two differ.
 *
 * @param text null if only the previous release has written the alert
 */
export function parseHeld(
  text: string | null,
  { holdsSince, firedAt }: { holdsSince: number | null; firedAt: number | null },
): Held[] {
  const stored = (JSON.parse(text ?? "[]") as StoredHeld[]).map(
    ([from, until, isCounted]): Held => ({ from, until, isCounted: isCounted === 1 }),
  );
  const last = stored.at(-1);
  const isOpen = last !== undefined && last.until === null;
  if (holdsSince === null)
    return isOpen ? [...stored.slice(0, -1), { ...last, until: last.from }] : stored;
  if (isOpen) return [...stored.slice(0, -1), { ...last, from: Math.max(last.from, holdsSince) }];
  return last !== undefined && firedAt !== null
    ? stored
    : [...stored, { from: holdsSince, until: null, isCounted: firedAt !== null }];
}
