import type { AnswerBody, CallOutcome, RequestOf } from "./api.ts";
import { chosen, statusChoices } from "./filters.ts";

/** The search of the email page: what its address asks for, and how far it is followed. Pure. */

type SearchQuery = NonNullable<RequestOf<"listEmails">["query"]>;
type Page = AnswerBody<"listEmails">;

/** The fields of the search that are text, in the order of the form. */
export const searchFields = ["to", "from", "tag", "tenant", "subject"] as const;
export const searchDays = ["since", "until"] as const;
export type FormField = (typeof searchFields)[number] | (typeof searchDays)[number];

export const PAGE_SIZE = 25;
/** An API page that shows too few emails is followed by further ones, so many together. */
export const MAX_PAGES = 10;

const DAY_MS = 86_400_000;
const dayText = /^\d{4}-\d{2}-\d{2}$/;

/** The beginning of a day in UTC. A text that is no day goes to the API, which refuses it. */
function timeOf(day: string, daysLater: number): string {
  const at = dayText.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(at) ? day : new Date(at + daysLater * DAY_MS).toISOString();
}

/** What the address of the page asks the API for. `until`: with that day. */
export function queryOf(query: URLSearchParams): SearchQuery {
  const status = chosen(query, "status", statusChoices);
  const [since, until, cursor] = ["since", "until", "cursor"].map((name) => query.get(name));
  const texts = searchFields.flatMap((name): [string, string][] => {
    const value = query.get(name);
    return value === null ? [] : [[name, value]];
  });
  return {
    ...Object.fromEntries(texts),
    ...(status !== undefined && { status }),
    ...(since != null && { createdFrom: timeOf(since, 0) }),
    ...(until != null && { createdBefore: timeOf(until, 1) }),
    ...(cursor != null && { cursor }),
  };
}

/** Whether anything is looked for. */
export const isFiltered = (query: URLSearchParams): boolean =>
  ["status", ...searchFields, ...searchDays].some((name) => query.has(name));

/**
 * Reads on until the page is full, nothing follows, or `MAX_PAGES` were read. A failure on the way
 * is the answer: what was found before would look like all there is.
 */
export async function readOn(
  read: (changes: { limit: string; cursor?: string }) => Promise<CallOutcome<Page>>,
): Promise<CallOutcome<Page>> {
  const items: Page["items"] = [];
  let cursor: string | undefined;
  for (let pages = 1; ; pages += 1) {
    const limit = String(PAGE_SIZE - items.length);
    const answer = await read({ limit, ...(cursor !== undefined && { cursor }) });
    if (!answer.ok) return answer;
    items.push(...answer.body.items);
    cursor = answer.body.nextCursor;
    const isEnough = cursor === undefined || items.length >= PAGE_SIZE || pages >= MAX_PAGES;
    if (isEnough) return { ...answer, body: { ...answer.body, items } };
  }
}
