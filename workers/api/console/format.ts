/** Numbers and times as text. Pure: `now` is an argument. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `4 min`: one unit is enough at a glance. */
export function spanText(ms: number): string {
  const span = Math.abs(ms);
  if (span < SECOND) return "0 s";
  if (span < 2 * MINUTE) return `${Math.floor(span / SECOND)} s`;
  if (span < 2 * HOUR) return `${Math.floor(span / MINUTE)} min`;
  if (span < 2 * DAY) return `${Math.floor(span / HOUR)} h`;
  return `${Math.floor(span / DAY)} days`;
}

/** `4 min ago`, `in 30 s`, `now`. */
export function relativeText(at: number, now: number): string {
  const ms = at - now;
  if (Math.abs(ms) < SECOND) return "now";
  return ms > 0 ? `in ${spanText(ms)}` : `${spanText(ms)} ago`;
}

/** `2026-11-25 08:30:12 UTC`. */
export function exactText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** A measured duration: `12 ms`, `3.4 s`. */
export function durationText(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  return ms < MINUTE ? `${(ms / SECOND).toFixed(1)} s` : spanText(ms);
}

/** What a measured range says: `100–250 ms`, `1–2.5 s`, `over 10 s`. */
export function rangeText({ fromMs, toMs }: { fromMs: number; toMs: number | null }): string {
  const last = toMs ?? fromMs;
  const [divisor, unit] = last < SECOND ? [1, "ms"] : [SECOND, "s"];
  const text = (ms: number): string => numberText(ms / divisor);
  if (toMs === null) return `over ${text(fromMs)} ${unit}`;
  return fromMs === 0 ? `below ${text(toMs)} ${unit}` : `${text(fromMs)}–${text(toMs)} ${unit}`;
}

export const numberText = (count: number): string => count.toLocaleString("en-GB");

/** `1 email`, `2 emails`. */
export const countText = (count: number, one: string, many = `${one}s`): string =>
  `${numberText(count)} ${count === 1 ? one : many}`;

type CountsOf<Name extends string> = Record<Name, number> & {
  atLeast?: readonly string[] | undefined;
};

/** A count of a check of `/health`: `1,000+` if it stopped there. */
export const checkText = <Name extends string>(check: CountsOf<Name>, name: Name): string =>
  `${numberText(check[name])}${check.atLeast?.includes(name) === true ? "+" : ""}`;

/** `1 email`, `1,000+ emails`. */
export const checkNoun = <Name extends string>(
  check: CountsOf<Name>,
  name: Name,
  noun: string,
): string => `${checkText(check, name)} ${noun}${check[name] === 1 ? "" : "s"}`;

/** Queued emails that are not due. Of more than 1,000 due ones it is not known. */
export const waitingText = (email: CountsOf<"queued" | "due">): string =>
  email.atLeast?.includes("due") === true
    ? "not counted"
    : checkText({ ...email, queued: email.queued - email.due }, "queued");

export function percentText(part: number, whole: number): string {
  return whole === 0 ? "–" : `${((part / whole) * 100).toFixed(1)} %`;
}

type Side = string | number | boolean | null | undefined;

/** What an audited request changed: `tier: free → pro`. */
export function changesText(changes: readonly { field: string; from?: Side; to?: Side }[]): string {
  const sideText = (side: Side): string => (side == null ? "none" : String(side));
  return changes
    .map(({ field, from, to }) =>
      from == null ? `${field}: ${sideText(to)}` : `${field}: ${sideText(from)} → ${sideText(to)}`,
    )
    .join(", ");
}
