import { DAY_MS } from "../../lib/base/clock.ts";

/** What becomes of a verified domain when the DNS is asked for its record again. Pure. */

const HOUR_MS = 3_600_000;
/** How often a domain is checked. */
export const CHECK_EVERY_MS = DAY_MS;
/** A record that is missing for so long is gone, and no outage or move of the DNS. */
export const MISSING_FOR_MS = 3 * DAY_MS;
/** When a domain is checked again whose DNS did not answer. */
const AGAIN_MS = HOUR_MS;

export type Checked = {
  id: string;
  challenge: string;
  /** From when the next check counts. */
  checkedAt: number;
  missingSince: number | null;
  /** It is verified no longer. */
  isOver: boolean;
};

type Verified = { id: string; challenge: string; missingSince: number | null };

/**
 * @param records the texts of its TXT records; null if the DNS did not answer, which proves nothing
 */
export function afterCheck(
  { id, challenge, missingSince }: Verified,
  records: readonly string[] | null,
  now: number,
): Checked {
  if (records === null) {
    const checkedAt = now - CHECK_EVERY_MS + AGAIN_MS;
    return { id, challenge, checkedAt, missingSince, isOver: false };
  }
  if (hasRecord(records, challenge))
    return { id, challenge, checkedAt: now, missingSince: null, isOver: false };
  const since = missingSince ?? now;
  const isOver = now - since >= MISSING_FOR_MS;
  return { id, challenge, checkedAt: now, missingSince: since, isOver };
}

/** Whether one of the TXT records verifies a domain. */
export const hasRecord = (records: readonly string[], challenge: string): boolean =>
  records.some((text) => text.trim() === challenge);
