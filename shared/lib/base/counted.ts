import { pluralize } from "./pluralize.ts";

/** What is stored is counted no further, so that a count costs the same however much there is. */
export const COUNTED_UP_TO = 1_000;

/** `count`: at most one more than `COUNTED_UP_TO`, which stands for any more. Pure. */
export const countedText = (count: number): string =>
  count > COUNTED_UP_TO ? `${COUNTED_UP_TO.toLocaleString("en-GB")}+` : String(count);

/** "1 email", "2 emails", "1,000+ emails". Pure. */
export const countedNoun = (count: number, noun: string): string =>
  count > COUNTED_UP_TO ? `${countedText(count)} ${noun}s` : pluralize(count, noun);

/** Counts as they are reported. `atLeast`: those that stopped; absent if none did. Pure. */
export function reportedCounts<Name extends string>(
  counts: Record<Name, number>,
): Record<Name, number> & { atLeast?: Name[] } {
  const entries = Object.entries(counts) as [Name, number][];
  const atLeast = entries.filter(([, count]) => count > COUNTED_UP_TO).map(([name]) => name);
  const reported = Object.fromEntries(
    entries.map(([name, count]) => [name, Math.min(count, COUNTED_UP_TO)]),
  ) as Record<Name, number>;
  return { ...reported, ...(atLeast.length > 0 && { atLeast }) };
}
