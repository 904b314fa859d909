import { rangeNames } from "./ranges.ts";
import type { PageName, Place } from "./router.ts";

/** What the address of a page may name after its `?`. Pure. */

/** The statuses and reasons that the API filters by. */
export const statusChoices = ["unknown", "pinned", "dead"] as const;
export const reasonChoices = [
  "exhausted",
  "retry-window",
  "server",
  "permanent",
  "operator",
  "suppressed",
] as const;

const range: readonly string[] = rangeNames;

/** The values that a filter may have; null for text, which the API validates. */
const filters: Record<PageName, Readonly<Record<string, readonly string[] | null>>> = {
  overview: { range },
  breakers: {},
  cache: { range },
  email: { to: null, status: statusChoices, range, cursor: null },
  "dead-letters": { to: null, reason: reasonChoices, cursor: null },
  suppressions: {},
  senders: {},
  tasks: {},
  jobs: { cursor: null },
  alerts: {},
  audit: { actor: null, cursor: null },
};

/** What is wrong with the filters of an address, one sentence each. */
export function wrongFilters({ page, id, query }: Place): string[] {
  if (page === "nowhere") return [];
  const known = id === null ? filters[page] : {};
  const names = Object.keys(known);
  const has = names.length === 0 ? "It has none." : `It has: ${names.join(", ")}.`;
  return [...new Set(query.keys())].flatMap((name) => {
    if (!Object.hasOwn(known, name)) return [`This page has no filter "${name}". ${has}`];
    const values = query.getAll(name);
    if (values.length > 1) return [`The filter "${name}" is given ${values.length} times.`];
    const allowed = known[name] ?? null;
    const [value = ""] = values;
    return allowed === null || allowed.includes(value)
      ? []
      : [`"${value}" is no value of the filter "${name}". It is one of: ${allowed.join(", ")}.`];
  });
}

/** Ids of emails are UUIDs. */
export const isEmailId = (text: string): boolean =>
  /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);

/** The value of a filter that has a fixed list, once `wrongFilters` has found nothing. */
export function chosen<const Value extends string>(
  query: URLSearchParams,
  name: string,
  values: readonly Value[],
): Value | undefined {
  return values.find((value) => value === query.get(name));
}
