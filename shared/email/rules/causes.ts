import type { AttemptDetail } from "./outcome.ts";

/** Dead letters by what ended them. Pure. */

export type DeadOf = {
  id: string;
  reason: string;
  lastError: AttemptDetail | null;
  buriedAt: number;
};

/**
 * Dead letters with the same cause: the reason, and where and with which codes a transport ended
 * the last attempt. Texts differ between emails with the same cause: `text` is that of one.
 */
export type DeadLetterCause = {
  reason: string;
  transport: string | null;
  phase: string | null;
  code: number | string | null;
  enhancedCode: string | null;
  text: string | null;
  ids: string[];
  oldestAt: number;
  newestAt: number;
};

const partsOf = ({ reason, lastError }: DeadOf) => ({
  reason,
  transport: lastError?.transport ?? null,
  phase: lastError?.phase ?? null,
  code: lastError?.code ?? null,
  enhancedCode: lastError?.enhancedCode ?? null,
});

/** The cause of most dead letters first; of as many, that of the newest one. */
export function causesOf(letters: readonly DeadOf[]): DeadLetterCause[] {
  const groups = Map.groupBy(letters, (letter) => JSON.stringify(partsOf(letter)));
  return [...groups.values()]
    .flatMap((group): DeadLetterCause[] => {
      const newest = group.toSorted((a, b) => b.buriedAt - a.buriedAt).at(0);
      if (newest === undefined) return [];
      const times = group.map(({ buriedAt }) => buriedAt);
      return [
        {
          ...partsOf(newest),
          text: newest.lastError?.text ?? null,
          ids: group.map(({ id }) => id),
          oldestAt: Math.min(...times),
          newestAt: newest.buriedAt,
        },
      ];
    })
    .toSorted((a, b) => b.ids.length - a.ids.length || b.newestAt - a.newestAt);
}
