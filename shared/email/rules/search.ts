import type { Cursor } from "../../http/lists.ts";
import type { EmailStatus } from "./lifecycle.ts";

/** How a search for emails is done: which index it follows, and where a page ends. Pure. */

/** Null: not looked for. Times in milliseconds since the epoch. */
export type EmailSearch = {
  tenant: string | null;
  /** As it is shown. `dead` are also emails that some recipients have. */
  status: EmailStatus | null;
  tag: string | null;
  /** The address that it comes from, in lower case. */
  from: string | null;
  /** In any case, like the subject. */
  to: string | null;
  /** How the subject begins. */
  subject: string | null;
  createdFrom: number | null;
  createdBefore: number | null;
};

export type FilterField = Exclude<keyof EmailSearch, "createdFrom" | "createdBefore">;

/** An email that has one of these needs a person, or has not left: few emails have. */
const troubled = ["unknown", "pinned", "dead"] as const;
const unsent = ["scheduled", "queued"] as const;
type Troubled = (typeof troubled)[number];
type Unsent = (typeof unsent)[number];

/**
 * The index that a search follows, newest email first. `sender`: of emails that name a sender
 * besides `EMAIL_FROM`.
 */
export type Walk =
  | { by: "recipient"; trouble: Troubled | null }
  | { by: "trouble"; status: Troubled }
  | { by: "unsent"; status: Unsent }
  | { by: "tag" }
  | { by: "sender" }
  | { by: "age" };

/** `rest`: what the index does not find, so that each email that it names is looked at. */
export type SearchRoute = { walk: Walk; rest: FilterField[] };

/** @param standard the address of `EMAIL_FROM`, in lower case; null if it is not known */
export function routeOf(search: EmailSearch, standard: string | null): SearchRoute {
  const walk = walkOf(search, standard);
  const found = new Set<FilterField>(foundBy(walk));
  const given = searchFields.filter((field) => search[field] !== null);
  return { walk, rest: given.filter((field) => !found.has(field)) };
}

const searchFields = [
  "tenant",
  "status",
  "tag",
  "from",
  "to",
  "subject",
] as const satisfies FilterField[];

/** @param given what is looked for */
export const emailSearchOf = (given: {
  [Field in keyof EmailSearch]?: EmailSearch[Field] | undefined;
}): EmailSearch => ({
  tenant: given.tenant ?? null,
  status: given.status ?? null,
  tag: given.tag ?? null,
  from: given.from ?? null,
  to: given.to ?? null,
  subject: given.subject ?? null,
  createdFrom: given.createdFrom ?? null,
  createdBefore: given.createdBefore ?? null,
});

/** The index of the filter that leaves the fewest emails. */
function walkOf({ tenant, status, tag, from, to }: EmailSearch, standard: string | null): Walk {
  const trouble = troubled.find((one) => one === status) ?? null;
  if (to !== null) return { by: "recipient", trouble };
  if (trouble !== null) return { by: "trouble", status: trouble };
  const waiting = unsent.find((one) => one === status);
  if (waiting !== undefined && tenant !== null) return { by: "unsent", status: waiting };
  if (tag !== null) return { by: "tag" };
  // Most emails come from EMAIL_FROM: no index has them.
  return from !== null && from !== standard ? { by: "sender" } : { by: "age" };
}

/** What each entry of an index has. */
function foundBy(walk: Walk): readonly FilterField[] {
  switch (walk.by) {
    case "recipient":
      return walk.trouble === null ? ["tenant", "to"] : ["tenant", "to", "status"];
    case "trouble":
    case "unsent":
      return ["tenant", "status"];
    case "tag":
      return ["tenant", "tag"];
    case "sender":
      return ["from"];
    case "age":
      return ["tenant"];
  }
}

/** How many entries of its index a page looks at, if it looks at each email. */
export const MAX_EXAMINED = 1_000;

/** Where a page begins: after this email. */
export function searchStart(
  { createdBefore }: Pick<EmailSearch, "createdBefore">,
  cursor: Cursor | null,
): Cursor {
  const start = { at: createdBefore ?? Number.MAX_SAFE_INTEGER, id: "" };
  return cursor !== null && cursor.at < start.at ? cursor : start;
}

/**
 * What a statement found, newest first: the emails that match, and the last one that was looked at.
 *
 * @param n the place of an email among those that were looked at, from 1 on
 */
export type Examined<Email> = { email: Email; n: number; matches: boolean };

/**
 * A page of a search. `next`: it goes on after this email; null if nothing can follow. `isCut`: it
 * ended because it had looked at `MAX_EXAMINED` emails, so that it may be empty.
 */
export type SearchPage<Email> = { emails: Email[]; next: Email | null; isCut: boolean };

/** @param asked how many rows the statement was asked for: more than `limit` */
export function pageOfSearch<Email>(
  rows: readonly Examined<Email>[],
  limit: number,
  asked: number,
): SearchPage<Email> {
  const matching = rows.filter(({ matches }) => matches).map(({ email }) => email);
  const emails = matching.slice(0, limit);
  if (matching.length > limit) return { emails, next: emails.at(-1) ?? null, isCut: false };
  const last = rows.at(-1);
  const isCut = last !== undefined && (last.n === MAX_EXAMINED || rows.length === asked);
  return { emails, next: isCut ? last.email : null, isCut };
}
