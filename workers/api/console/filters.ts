import type { AnswerBody } from "./api.ts";
import { rangeNames } from "./ranges.ts";
import type { PageName, Place } from "./router.ts";

/** What the address of a page may name after its `?`. Pure. */

type Status = AnswerBody<"getEmail">["status"];
const statuses: Record<Status, true> = {
  scheduled: true,
  queued: true,
  claimed: true,
  sending: true,
  sent: true,
  delivered: true,
  bounced: true,
  complained: true,
  pinned: true,
  unknown: true,
  dead: true,
  discarded: true,
  cancelled: true,
  suppressed: true,
};

/** The statuses and reasons that the API filters by. */
export const statusChoices = Object.keys(statuses) as Status[];
export const reasonChoices = [
  "exhausted",
  "retry-window",
  "server",
  "permanent",
  "operator",
  "suppressed",
] as const;

export const scopeChoices = ["all", "non-transactional", "notification", "marketing"] as const;
export const whySuppressedChoices = ["bounce", "complaint", "unsubscribe", "manual"] as const;

/** What the address of the page of suppressions names. */
export type SuppressionFilter = {
  address?: string;
  tenant?: string;
  scope?: (typeof scopeChoices)[number];
};
/** What emails are counted by. */
export const countChoices = ["tag", "sender", "transport"] as const;
/** Parts of the content of an email. */
export const contentChoices = ["html", "text", "headers"] as const;

const range: readonly string[] = rangeNames;

/** A search for emails. One email keeps it, for the way back. */
const search = {
  to: null,
  from: null,
  tag: null,
  tenant: null,
  subject: null,
  since: null,
  until: null,
  status: statusChoices,
  cursor: null,
};
const letters = { to: null, reason: reasonChoices, cursor: null };

/** The values that a filter may have; null for text, which the API validates. */
const filters: Record<PageName, Readonly<Record<string, readonly string[] | null>>> = {
  overview: { range },
  breakers: {},
  cache: { range },
  email: { ...search, range, counts: countChoices },
  "dead-letters": letters,
  suppressions: { address: null, tenant: null, scope: scopeChoices, cursor: null },
  users: { id: null, address: null, cursor: null },
  teams: {},
  keys: {},
  senders: {},
  webhooks: {},
  heartbeats: {},
  templates: {},
  tasks: {},
  jobs: { cursor: null },
  alerts: {},
  audit: { actor: null, cursor: null },
};

/** Those of one object on a page. */
const detailFilters: Partial<typeof filters> = {
  email: { ...search, range, counts: countChoices, show: contentChoices },
  "dead-letters": letters,
};

/** What is wrong with the filters of an address, one sentence each. */
export function wrongFilters({ page, id, query }: Place): string[] {
  if (page === "nowhere") return [];
  const known = (id === null ? filters : detailFilters)[page] ?? {};
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
