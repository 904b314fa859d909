import type { Cursor } from "../../http/lists.ts";
import { overStatuses, type EmailStatus } from "../rules/lifecycle.ts";
import {
  MAX_EXAMINED,
  pageOfSearch,
  routeOf,
  emailSearchOf,
  searchStart,
  type EmailSearch,
  type Examined,
  type SearchRoute,
  type FilterField,
  type SearchPage,
  type Walk,
} from "../rules/search.ts";
import { storedListOf, storedEmail, type StoredEmail, type StoredEmailRow } from "./emails.ts";
import { WITH_RECIPIENTS } from "./recipients.ts";

/** SQL of the list of emails: one page of a search, newest first. */

export type EmailFilter = { [Field in keyof EmailSearch]?: EmailSearch[Field] | undefined } & {
  /** The page begins after this email. */
  before: Cursor | null;
  /** The address of `EMAIL_FROM`, in lower case. */
  standard?: string | null;
};

/** Looks at no more than `MAX_EXAMINED` emails, however many are stored. */
export async function findEmails(
  db: D1Database,
  { before, standard = null, ...filter }: EmailFilter,
  limit: number,
): Promise<SearchPage<StoredEmail>> {
  const search = emailSearchOf(filter);
  const route = routeOf(search, standard);
  const start = searchStart(search, before);
  const asked = limit + 1;
  const { results } = await db
    .prepare(route.rest.length === 0 ? selectPage(route, search) : selectExamined(route, search))
    .bind(JSON.stringify(search), start.at, start.id, asked)
    .all<StoredEmailRow & { n: number; matches: 0 | 1 }>();
  const isByStatus = route.rest.includes("status");
  const rows = results.map(({ n, matches, ...row }): Examined<StoredEmail> => {
    const email = storedEmail(row);
    const isShownSo = !isByStatus || email.status === search.status;
    return { email, n, matches: matches === 1 && isShownSo };
  });
  return pageOfSearch(
    rows.toSorted((a, b) => newestFirst(a.email, b.email)),
    limit,
    asked,
  );
}

/** Ids are ASCII, so that SQLite compares them alike. */
function newestFirst(a: StoredEmail, b: StoredEmail): number {
  return b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1);
}

/** SQL over the filter, which is `?1`. */
const wanted = (field: keyof EmailSearch): string => `?1 ->> '${field}'`;

/** `from`: the entries `k` of an index, each of the email with this `id`. */
type Entries = { from: string; id: string; where: string[] };

// Those of a status are partial, so the status and the condition of the index stand in the text,
// word for word.
const isUnsent = "k.status IN ('scheduled', 'queued')";
const isTroubled = "k.status IN ('unknown', 'pinned', 'dead')";

function entriesOf(walk: Walk, { tenant }: EmailSearch): Entries {
  const emails = { from: "emails AS k", id: "k.id" };
  switch (walk.by) {
    case "recipient":
      return {
        from: "email_recipients AS k",
        id: "k.email_id",
        where: [
          `LOWER(k.address) = LOWER(${wanted("to")})`,
          ...(walk.trouble === null
            ? []
            : [`k.trouble = '${walk.trouble}'`, "k.trouble IS NOT NULL"]),
        ],
      };
    case "trouble": {
      const where = [`k.status = '${walk.status}'`];
      return { ...emails, where: tenant === null ? where : [...where, isTroubled] };
    }
    case "unsent":
      return { ...emails, where: [`k.status = '${walk.status}'`, isUnsent] };
    case "tag":
      return { from: "email_tags AS k", id: "k.email_id", where: [`k.tag = ${wanted("tag")}`] };
    case "sender":
      return {
        ...emails,
        where: [`k.sender_address = ${wanted("from")}`, "k.sender_id IS NOT NULL"],
      };
    case "age":
      return { ...emails, where: [] };
  }
}

/** The entries of a page, newest first. */
function selectEntries({ walk, rest }: SearchRoute, search: EmailSearch, columns: string): string {
  const { from, id, where } = entriesOf(walk, search);
  const conditions = [
    ...where,
    ...(search.tenant === null || rest.includes("tenant")
      ? []
      : [`k.tenant = ${wanted("tenant")}`]),
    `(k.created_at, ${id}) < (?2, ?3)`,
    ...(search.createdFrom === null ? [] : [`k.created_at >= ${wanted("createdFrom")}`]),
  ];
  return `SELECT ${columns.replaceAll("k.id", id)} FROM ${from}
    WHERE ${conditions.join(" AND ")} ORDER BY k.created_at DESC, ${id} DESC`;
}

/**
 * The index finds just these emails. SQLite keeps to the order of a CROSS JOIN, so that of the
 * entries is that of the page.
 */
function selectPage(route: SearchRoute, search: EmailSearch): string {
  return `SELECT ${storedListOf("e")}, 0 AS n, 1 AS matches
    FROM (${selectEntries(route, search, "k.id AS id")} LIMIT ?4) AS w
    CROSS JOIN emails AS e ON e.id = w.id`;
}

/** The last that may be looked at is there in any case: the next page goes on after it. */
function selectExamined(route: SearchRoute, search: EmailSearch): string {
  const place = "ROW_NUMBER() OVER (ORDER BY k.created_at DESC, k.id DESC) AS n";
  const matches = route.rest.map((field) => `(${matching(field, search)})`).join(" AND ");
  return `SELECT ${storedListOf("e")}, w.n AS n, (${matches}) AS matches
    FROM (${selectEntries(route, search, `k.id AS id, ${place}`)} LIMIT ${MAX_EXAMINED}) AS w
    CROSS JOIN emails AS e ON e.id = w.id
    WHERE (${matches}) OR w.n = ${MAX_EXAMINED} LIMIT ?4`;
}

/** SQL over an email `e`: it has what is looked for. */
function matching(field: FilterField, { status }: EmailSearch): string {
  switch (field) {
    case "tenant":
      return `e.tenant = ${wanted("tenant")}`;
    case "status":
      return hasStatus(status);
    case "tag":
      return `EXISTS (SELECT 1 FROM json_each(e.tags) AS t WHERE t.value = ${wanted("tag")})`;
    case "from":
      return `e.sender_address = ${wanted("from")}`;
    case "to":
      return `EXISTS (SELECT 1 FROM email_recipients AS r
        WHERE r.email_id = e.id AND LOWER(r.address) = LOWER(${wanted("to")}))`;
    case "subject":
      return `LOWER(SUBSTR(e.subject, 1, LENGTH(${wanted("subject")})))
        = LOWER(${wanted("subject")})`;
  }
}

/** What an email with several recipients is shown as follows from theirs, once it is over. */
function hasStatus(status: EmailStatus | null): string {
  const over = [...overStatuses, "dead"].map((one) => `'${one}'`).join(", ");
  const isOver = overStatuses.some((one) => one === status);
  const several = `e.format >= ${WITH_RECIPIENTS} AND e.status IN (${over})`;
  return isOver
    ? `e.status = ${wanted("status")} OR (${several})`
    : `e.status = ${wanted("status")}`;
}
