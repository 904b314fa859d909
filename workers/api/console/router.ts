import { Store } from "./store.ts";

/**
 * The page is in the fragment (`#`), so that one file serves every page and a reload keeps the
 * page.
 */

const pages = [
  "overview",
  "breakers",
  "cache",
  "email",
  "dead-letters",
  "suppressions",
  "users",
  "teams",
  "keys",
  "senders",
  "webhooks",
  "heartbeats",
  "templates",
  "tasks",
  "jobs",
  "alerts",
  "audit",
] as const;
export type PageName = (typeof pages)[number];

/** The pages of lists whose items have a page each. */
const withDetails = [
  "email",
  "dead-letters",
  "users",
  "teams",
  "templates",
  "webhooks",
  "heartbeats",
  "jobs",
] as const;
export type DetailedPage = (typeof withDetails)[number];

/**
 * `id`: of one item. `query`: the filter of a page together with its cursor, so that no cursor
 * outlives its filter.
 */
export type Place = { page: PageName | "nowhere"; id: string | null; query: URLSearchParams };

/** The page of a fragment such as `#/email/4711?to=ada@example.com`. */
export function placeOf(hash: string): Place {
  const [path = "", search = ""] = hash.replace(/^#?\/?/, "").split("?");
  const [name = "", id, ...more] = path.split("/");
  const query = new URLSearchParams(search);
  if (name === "") return { page: "overview", id: null, query };
  const page = pages.find((one) => one === name);
  const hasDetails = withDetails.some((one) => one === page);
  if (page === undefined || more.length > 0 || (id !== undefined && !hasDetails))
    return { page: "nowhere", id: null, query };
  return { page, id: id === undefined || id === "" ? null : decoded(id), query };
}

/** The fragment of a page. Empty values are left out. */
export function linkTo(
  page: PageName,
  id: string | null = null,
  query: Record<string, string | undefined> = {},
): string {
  const given = Object.entries(query).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== "",
  );
  const search = new URLSearchParams(given).toString();
  const path = [page === "overview" ? "" : page, ...(id === null ? [] : [encodeURIComponent(id)])];
  return `#/${path.join("/")}${search === "" ? "" : `?${search}`}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const here = new Store<Place>({ page: "overview", id: null, query: new URLSearchParams() });

function follow(): void {
  here.value = placeOf(location.hash);
}

/** Follows the address bar from now on. */
export function followAddress(): void {
  addEventListener("hashchange", follow);
  follow();
}
