import * as v from "valibot";

const MESSAGE = "must be a time such as 2026-01-31T12:00:00Z";

/** A time in an answer: ISO 8601 in UTC. */
export const time = v.pipe(v.string(), v.isoTimestamp());

/** A time in ISO 8601, as milliseconds since the epoch. */
export const timestamp = v.pipe(
  v.string(MESSAGE),
  v.isoTimestamp(MESSAGE),
  v.check(isInCalendar, MESSAGE),
  v.transform((text) => Date.parse(text)),
);

/** `Date.parse` reads 31 November as 1 December. What is no timestamp at all has its issue. */
function isInCalendar(text: string): boolean {
  if (!v.is(time, text)) return true;
  if (Number.isNaN(Date.parse(text))) return false;
  const date = text.slice(0, 10);
  return new Date(`${date}T00:00:00Z`).toISOString().startsWith(date);
}

/** A time in milliseconds since the epoch, as answers have it. */
export const iso = (at: number): string => new Date(at).toISOString();
